package writer

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/target"
)

// created creates the target of the Bundle roots on a server, and returns the object as
// the operator reads it.
func created(t *testing.T, s *server) *target.Object {
	t.Helper()
	action := target.Decide(keyOf(s.kind), wantedOf(s.kind), target.Observed{State: target.Absent})
	if _, err := s.writer().Write(t.Context(), action); err != nil {
		t.Fatal(err)
	}
	return s.read(t)
}

// read returns the object as the operator reads it.
func (s *server) read(t *testing.T) *target.Object {
	t.Helper()
	read, err := readObject(t.Context(), s.writer(), keyOf(s.kind))
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func TestReadNothing(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, kind bundle.Kind) {
		object, err := readObject(t.Context(), newServer(t, kind).writer(), keyOf(kind))
		if object != nil || err != nil {
			t.Errorf("object %v, error %v; want neither", object, err)
		}
	})
}

// An object that cannot be read is an error.
func TestReadRefused(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, kind bundle.Kind) {
		s := newServer(t, kind)
		s.refuses = apierrors.NewForbidden(s.resource(), "roots", errors.New("no rights"))
		object, err := readObject(t.Context(), s.writer(), keyOf(kind))
		if object != nil || !apierrors.IsForbidden(err) {
			t.Errorf("object %v, error %v", object, err)
		}
	})
}

// T4, T5: a target is in sync after its creation. T2: a ConfigMap has PEM as text and key
// stores in binaryData, a Secret has all files in data.
func TestCreateAndRead(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, kind bundle.Kind) {
		want := wantedOf(kind)
		want.Shape = shapes(kind, 1)
		s := newServer(t, kind)
		if _, err := s.writer().Write(t.Context(), target.Decide(keyOf(kind), want, target.Observed{State: target.Absent})); err != nil {
			t.Fatal(err)
		}
		got := s.read(t)
		object := &target.Object{
			Kind: kind,
			Meta: metav1.ObjectMeta{
				Name: "roots", Namespace: "team-a", UID: "uid-1", ResourceVersion: "2",
				Labels: want.Shape.Labels, Annotations: want.Shape.Annotations,
				OwnerReferences: []metav1.OwnerReference{ownedBy(bundleUID)},
			},
			Text: want.Shape.Text, Binary: want.Shape.Binary,
		}
		if diff := cmp.Diff(object, got, cmpopts.IgnoreFields(metav1.ObjectMeta{}, "ManagedFields")); diff != "" {
			t.Errorf("object (-want +got):\n%s", diff)
		}
		if len(got.Meta.ManagedFields) != 1 || got.Meta.ManagedFields[0].Manager != "trust-manager" {
			t.Errorf("managed by %v, want trust-manager", got.Meta.ManagedFields)
		}
		if action := target.Decide(keyOf(kind), want, target.Observed{State: target.Full, Object: got}); action.Verb != target.NoOp {
			t.Errorf("then the action is %s, because %s", action.Verb, action.Reason)
		}
		if s.object().Type != map[bundle.Kind]corev1.SecretType{bundle.Secret: "Opaque"}[kind] {
			t.Errorf("type %q", s.object().Type)
		}
	})
}

// Each verb is one request, of the cheapest kind.
func TestWriteRequests(t *testing.T) {
	t.Parallel()
	relabel := target.Changes{Set: map[target.Field]string{label("team"): "b"}}
	cases := map[string]struct {
		action      target.Action
		method      string
		query       string
		contentType string
	}{
		"replace": {target.Action{Verb: target.Replace}, http.MethodPut, "fieldManager=trust-manager", protobuf},
		"patch": {
			target.Action{Verb: target.Patch, Changes: relabel}, http.MethodPatch,
			"fieldManager=trust-manager", "application/strategic-merge-patch+json",
		},
		"apply": {target.Action{Verb: target.Apply}, http.MethodPatch, "fieldManager=trust-manager&force=true", "application/apply-patch+yaml"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachKind(t, func(t *testing.T, kind bundle.Kind) {
				s := newServer(t, kind)
				before := created(t, s)
				s.requests = nil
				changed := of(kind, shape())
				changed.Labels["team"] = "b"
				action := tc.action
				action.Key, action.Owner, action.Shape = keyOf(kind), ownedBy(bundleUID), changed
				action.UID, action.ResourceVersion = string(before.Meta.UID), before.Meta.ResourceVersion
				written, err := s.writer().Write(t.Context(), action)
				if err != nil {
					t.Fatal(err)
				}
				if written.UID != "uid-1" || written.ResourceVersion != "3" {
					t.Errorf("written: %+v", written)
				}
				s.wantRequests(t, []string{tc.method, collections[kind] + "/roots", tc.query, tc.contentType, metadataOnly})
				if team := s.object().Labels["team"]; team != "b" {
					t.Errorf("the label is %q afterwards, want b", team)
				}
			})
		})
	}
}

// collections are the paths of the objects of one namespace.
var collections = map[bundle.Kind]string{
	bundle.ConfigMap: "/api/v1/namespaces/team-a/configmaps",
	bundle.Secret:    "/api/v1/namespaces/team-a/secrets",
}

// wantRequests compares the requests: method, path, query, Content-Type and Accept.
func (s *server) wantRequests(t *testing.T, want ...[]string) {
	t.Helper()
	var got [][]string
	for _, r := range s.requests {
		got = append(got, []string{r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Get("Content-Type"), r.Header.Get("Accept")})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// A create has the name of its target in the body only, which RBAC with resourceNames
// refuses (T8).
func TestCreateRequest(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, kind bundle.Kind) {
		s := newServer(t, kind)
		s.byName = true
		create := target.Decide(keyOf(kind), wantedOf(kind), target.Observed{State: target.Absent})
		if _, err := s.writer().Write(t.Context(), create); !apierrors.IsForbidden(err) || s.live != nil {
			t.Errorf("error %v, object %v", err, s.live)
		}
		s.wantRequests(t, []string{http.MethodPost, collections[kind], "fieldManager=trust-manager", protobuf, metadataOnly})
	})
}

// T4, T8: if a POST is refused, an apply creates the object; the next write completes it,
// including the owner.
func TestCreateByName(t *testing.T) {
	t.Parallel()
	elsewhere := newServer(t, bundle.Secret)
	want := created(t, elsewhere)
	s := newServer(t, bundle.Secret)
	s.byName = true
	for _, seen := range []func() target.Observed{
		func() target.Observed { return target.Observed{State: target.Absent, ByName: true} },
		func() target.Observed { return target.Observed{State: target.Full, Object: s.read(t)} },
	} {
		action := target.Decide(keyOf(s.kind), wantedOf(s.kind), seen())
		if _, err := s.writer().Write(t.Context(), action); err != nil {
			t.Fatalf("%s: %v", action.Verb, err)
		}
	}
	got := s.read(t)
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(metav1.ObjectMeta{}, "ManagedFields", "ResourceVersion")); diff != "" {
		t.Errorf("(-elsewhere +got):\n%s", diff)
	}
	for at := range tracked(t, want) {
		if !tracked(t, got)[at] {
			t.Errorf("%v is not tracked as the operator's", at)
		}
	}
	if action := target.Decide(keyOf(s.kind), wantedOf(s.kind), target.Observed{State: target.Full, Object: got}); action.Verb != target.NoOp {
		t.Errorf("then the action is %s, because %s", action.Verb, action.Reason)
	}
}

// T8: an apply that is to create an object does not change one that another client has
// just created.
func TestCreateByNameOverwritesNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t, bundle.Secret)
	if err := s.put(&stored{ObjectMeta: metav1.ObjectMeta{Name: "roots", Namespace: "team-a"}, Data: map[string]string{"ca.pem": "theirs"}}, "kubectl"); err != nil {
		t.Fatal(err)
	}
	before := s.object()
	action := target.Decide(keyOf(s.kind), wantedOf(s.kind), target.Observed{State: target.Absent, ByName: true})
	if _, err := s.writer().Write(t.Context(), action); !apierrors.IsConflict(err) {
		t.Errorf("error %v, want a conflict", err)
	}
	if diff := cmp.Diff(before, s.object()); diff != "" {
		t.Errorf("the object has changed:\n%s", diff)
	}
}

// A write fails if the object, or its version, is not the one that was decided about.
func TestWritePreconditions(t *testing.T) {
	t.Parallel()
	for _, verb := range []target.Verb{target.Replace, target.Patch, target.Apply, target.Delete} {
		for name, change := range map[string]func(*target.Action){
			"another version": func(a *target.Action) { a.ResourceVersion = "1" },
			"another object":  func(a *target.Action) { a.UID = "another" },
		} {
			t.Run(string(verb)+", "+name, func(t *testing.T) {
				t.Parallel()
				eachKind(t, func(t *testing.T, kind bundle.Kind) {
					s := newServer(t, kind)
					before := created(t, s)
					action := expected(target.Action{
						Verb: verb, UID: string(before.Meta.UID), ResourceVersion: before.Meta.ResourceVersion,
						Changes: target.Changes{Set: map[target.Field]string{label("team"): "b"}},
					}, wantedOf(kind))
					action.Key = keyOf(kind)
					change(&action)
					if _, err := s.writer().Write(t.Context(), action); !apierrors.IsConflict(err) {
						t.Errorf("error %v, want a conflict", err)
					}
					if s.object() == nil || s.object().ResourceVersion != "2" {
						t.Error("the object has changed")
					}
				})
			})
		}
	}
}

func TestWriteDelete(t *testing.T) {
	t.Parallel()
	s := newServer(t, bundle.ConfigMap)
	before := created(t, s)
	action := expected(target.Action{Verb: target.Delete, UID: string(before.Meta.UID), ResourceVersion: before.Meta.ResourceVersion}, deselectedOf(bundle.ConfigMap))
	written, err := s.writer().Write(t.Context(), action)
	if written != (Written{}) || err != nil || s.live != nil {
		t.Errorf("written %+v, error %v, object %v", written, err, s.live)
	}
}

// An action without a request is an error of the caller, and no request is sent.
func TestWriteRefusesOtherVerbs(t *testing.T) {
	t.Parallel()
	for _, verb := range []target.Verb{target.NoOp, target.Skip, target.Wait, target.Refuse, target.Read, "", "other"} {
		t.Run(string(verb), func(t *testing.T) {
			t.Parallel()
			s := newServer(t, bundle.ConfigMap)
			_, err := s.writer().Write(t.Context(), expected(target.Action{Verb: verb}, wantedOf(bundle.ConfigMap)))
			if err == nil || len(s.requests) > 0 {
				t.Errorf("error %v, %d requests", err, len(s.requests))
			}
		})
	}
}

// A canceled context ends the request.
func TestWriterStopsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	writer := newServer(t, bundle.ConfigMap).writer()
	if _, err := readObject(ctx, writer, roots); err == nil {
		t.Error("Read returns no error")
	}
	if _, err := writer.Write(ctx, expected(target.Action{Verb: target.Create}, wantedOf(bundle.ConfigMap))); err == nil {
		t.Error("Write returns no error")
	}
}

// T7: an object whose managedFields were cleared is tracked again after one apply, and is
// then in sync.
func TestApplyRestoresTracking(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, kind bundle.Kind) {
		s := newServer(t, kind)
		created(t, s)
		s.edit("kubectl", func(o *stored) {
			o.ManagedFields = []metav1.ManagedFieldsEntry{{}}
			o.Data["ca.pem"] = "other"
		})
		if fields := s.object().ManagedFields; len(fields) != 0 {
			t.Fatalf("managedFields %v, want none", fields)
		}
		action := target.Decide(keyOf(kind), wantedOf(kind), target.Observed{State: target.Full, Object: s.read(t)})
		if action.Verb != target.Apply {
			t.Fatalf("the action is %s", action.Verb)
		}
		if _, err := s.writer().Write(t.Context(), action); err != nil {
			t.Fatal(err)
		}
		if !tracked(t, s.read(t))[text("ca.pem")] {
			t.Error("the key is not tracked as the operator's")
		}
		if action := target.Decide(keyOf(kind), wantedOf(kind), target.Observed{State: target.Full, Object: s.read(t)}); action.Verb != target.NoOp {
			t.Errorf("then the action is %s, because %s", action.Verb, action.Reason)
		}
	})
}

// SECURITY.md 1.10: only a few objects are held in full at a time. A read that waits for its
// turn ends with its context.
func TestReadHoldsAFewObjects(t *testing.T) {
	t.Parallel()
	s := newServer(t, bundle.ConfigMap)
	w := s.writer()
	if _, err := w.Write(t.Context(), target.Decide(keyOf(bundle.ConfigMap), wantedOf(bundle.ConfigMap), target.Observed{State: target.Absent})); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	held, release := make(chan struct{}), make(chan struct{})
	for range maxObjects {
		group.Go(func() {
			err := w.Read(context.Background(), keyOf(bundle.ConfigMap), func(*target.Object) { held <- struct{}{}; <-release })
			if err != nil {
				t.Error(err)
			}
		})
		<-held
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := w.Read(ctx, keyOf(bundle.ConfigMap), func(*target.Object) { t.Error("one more is held") }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	close(release)
	group.Wait()
	if _, err := readObject(t.Context(), w, keyOf(bundle.ConfigMap)); err != nil {
		t.Error(err)
	}
}
