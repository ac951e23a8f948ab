package target

import (
	"context"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/internal/bundle"
)

// created writes the target of the Bundle roots to a server, and gives the
// object as it is read back.
func created(t *testing.T, s *server) *Object {
	t.Helper()
	action := Decide(roots, wanted(), Seen{State: Absent})
	if _, err := s.writer().Write(t.Context(), action); err != nil {
		t.Fatal(err)
	}
	read, err := s.writer().Read(t.Context(), roots)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func TestReadNothing(t *testing.T) {
	t.Parallel()
	object, err := newServer(t).writer().Read(t.Context(), roots)
	if object != nil || err != nil {
		t.Errorf("object %v, error %v; want neither", object, err)
	}
}

// T4, T5: what a create writes is what is decided to be in order.
func TestCreateAndRead(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	got := created(t, s)
	want := &Object{
		Kind: bundle.ConfigMap,
		Meta: metav1.ObjectMeta{
			Name: "roots", Namespace: "team-a", UID: "uid-1", ResourceVersion: "2",
			Labels: shape().Labels, Annotations: shape().Annotations,
			OwnerReferences: []metav1.OwnerReference{ownedBy(bundleUID)},
		},
		Text: shape().Text,
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(metav1.ObjectMeta{}, "ManagedFields")); diff != "" {
		t.Errorf("object (-want +got):\n%s", diff)
	}
	if len(got.Meta.ManagedFields) != 1 || got.Meta.ManagedFields[0].Manager != "trust-manager" {
		t.Errorf("managed by %v, want trust-manager", got.Meta.ManagedFields)
	}
	if action := Decide(roots, wanted(), Seen{State: Whole, Object: got}); action.Verb != Keep {
		t.Errorf("then it gets %s, because %s", action.Verb, action.Reason)
	}
}

// Each verb is one request, of the cheapest kind that does it.
func TestWriteRequests(t *testing.T) {
	t.Parallel()
	const collection, one = "/api/v1/namespaces/team-a/configmaps", "/api/v1/namespaces/team-a/configmaps/roots"
	cases := map[string]struct {
		action      func(*Object) Action
		method      string
		path, query string
		contentType string
	}{
		"replace": {
			func(*Object) Action { return Action{Verb: Replace} },
			http.MethodPut, one, "fieldManager=trust-manager", protobuf,
		},
		"patch": {
			func(*Object) Action {
				return Action{Verb: Patch, Changes: Changes{Set: map[field]string{label("team"): "b"}}}
			},
			http.MethodPatch, one, "fieldManager=trust-manager", "application/strategic-merge-patch+json",
		},
		"apply": {
			func(*Object) Action { return Action{Verb: Apply} },
			http.MethodPatch, one, "fieldManager=trust-manager&force=true", "application/apply-patch+yaml",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			before := created(t, s)
			s.requests = nil
			changed := shape()
			changed.Labels["team"] = "b"
			action := tc.action(before)
			action.Key, action.Owner, action.Shape = roots, ownedBy(bundleUID), changed
			action.UID, action.ResourceVersion = string(before.Meta.UID), before.Meta.ResourceVersion
			written, err := s.writer().Write(t.Context(), action)
			if err != nil {
				t.Fatal(err)
			}
			if written.UID != "uid-1" || written.ResourceVersion != "3" {
				t.Errorf("written: %+v", written)
			}
			if len(s.requests) != 1 {
				t.Fatalf("%d requests, want 1", len(s.requests))
			}
			r := s.requests[0]
			want := []string{tc.method, tc.path, tc.query, tc.contentType, protobuf + ";as=PartialObjectMetadata;g=meta.k8s.io;v=v1"}
			got := []string{r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Get("Content-Type"), r.Header.Get("Accept")}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
			if team := s.object().Labels["team"]; team != "b" {
				t.Errorf("the label is %q afterwards, want b", team)
			}
		})
	}
	t.Run("create", func(t *testing.T) {
		t.Parallel()
		s := newServer(t)
		created(t, s)
		if r := s.requests[0]; r.Method != http.MethodPost || r.URL.Path != collection || r.URL.RawQuery != "fieldManager=trust-manager" {
			t.Errorf("request %s %s", r.Method, r.URL)
		}
	})
}

// No write lands on an object, or on a version of it, that was not the one
// decided about.
func TestWritePreconditions(t *testing.T) {
	t.Parallel()
	for _, verb := range []Verb{Replace, Patch, Apply, Delete} {
		for name, change := range map[string]func(*Action){
			"another version": func(a *Action) { a.ResourceVersion = "1" },
			"another object":  func(a *Action) { a.UID = "another" },
		} {
			t.Run(string(verb)+", "+name, func(t *testing.T) {
				t.Parallel()
				s := newServer(t)
				before := created(t, s)
				action := expected(Action{
					Verb: verb, UID: string(before.Meta.UID), ResourceVersion: before.Meta.ResourceVersion,
					Changes: Changes{Set: map[field]string{label("team"): "b"}},
				}, wanted())
				change(&action)
				if _, err := s.writer().Write(t.Context(), action); !apierrors.IsConflict(err) {
					t.Errorf("error %v, want a conflict", err)
				}
				if s.object() == nil || s.object().ResourceVersion != "2" {
					t.Error("the object has changed")
				}
			})
		}
	}
}

func TestWriteDelete(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	before := created(t, s)
	action := expected(Action{Verb: Delete, UID: string(before.Meta.UID), ResourceVersion: before.Meta.ResourceVersion}, deselected())
	written, err := s.writer().Write(t.Context(), action)
	if written != (Written{}) || err != nil || s.live != nil {
		t.Errorf("written %+v, error %v, object %v", written, err, s.live)
	}
}

// An action that sends no request is a fault of the caller, and none is sent.
func TestWriteRefusesOtherVerbs(t *testing.T) {
	t.Parallel()
	for _, verb := range []Verb{Keep, Leave, Wait, Refuse, Read, "", "other"} {
		t.Run(string(verb), func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			_, err := s.writer().Write(t.Context(), expected(Action{Verb: verb}, wanted()))
			if err == nil || len(s.requests) > 0 {
				t.Errorf("error %v, %d requests", err, len(s.requests))
			}
		})
	}
}

// A context that has ended ends the request too.
func TestWriterStopsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	writer := newServer(t).writer()
	if _, err := writer.Read(ctx, roots); err == nil {
		t.Error("Read gives no error")
	}
	if _, err := writer.Write(ctx, expected(Action{Verb: Create}, wanted())); err == nil {
		t.Error("Write gives no error")
	}
}

// T7: an object whose managedFields somebody cleared is tracked again after one
// apply, and in order at the next look.
func TestApplyBringsTrackingBack(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	created(t, s)
	s.edit("kubectl", func(o *corev1.ConfigMap) {
		o.ManagedFields = []metav1.ManagedFieldsEntry{{}}
		o.Data["ca.pem"] = "other"
	})
	if fields := s.object().ManagedFields; len(fields) != 0 {
		t.Fatalf("managedFields %v, want none", fields)
	}
	read, err := s.writer().Read(t.Context(), roots)
	if err != nil {
		t.Fatal(err)
	}
	action := Decide(roots, wanted(), Seen{State: Whole, Object: read})
	if action.Verb != Apply {
		t.Fatalf("it gets %s", action.Verb)
	}
	if _, err := s.writer().Write(t.Context(), action); err != nil {
		t.Fatal(err)
	}
	read, err = s.writer().Read(t.Context(), roots)
	if err != nil {
		t.Fatal(err)
	}
	if !read.written(nil)[text("ca.pem")] {
		t.Error("the key is not tracked as the operator's")
	}
	if action := Decide(roots, wanted(), Seen{State: Whole, Object: read}); action.Verb != Keep {
		t.Errorf("then it gets %s, because %s", action.Verb, action.Reason)
	}
}
