package target

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/ledger"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/target/writer"
	"trust-manager.io/internal/workqueue"
	"trust-manager.io/internal/workqueue/queuetest"
	"trust-manager.io/test/framework/fake"
)

// answers is an API server with one response for each method, or an error.
type answers struct {
	byMethod map[string]any
	requests []string
}

func (a *answers) RoundTrip(request *http.Request) (*http.Response, error) {
	a.requests = append(a.requests, request.Method)
	answer, code := a.byMethod[request.Method], http.StatusOK
	if status, ok := answer.(apierrors.APIStatus); ok {
		refusal := status.Status()
		refusal.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
		answer, code = refusal, int(refusal.Code)
	} else if err, ok := answer.(error); ok {
		return nil, err
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: code, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader(body)), Request: request,
	}, nil
}

// targetsOf returns a Reconciler in a world in which the Bundle roots has an active
// revision, with a target in the namespace a that the ledger counts.
func targetsOf(t *testing.T, byMethod map[string]any) (*Reconciler, *world, *answers) {
	t.Helper()
	server := &answers{byMethod: byMethod}
	x, w := newWorld(writerTo(t, server))
	w.cache.Bundles = []*v1alpha1.Bundle{fake.Bundle("roots")}
	w.cache.Namespaces = []*metav1.PartialObjectMetadata{fake.Namespace("a", nil)}
	w.enforce("roots", "roots-uid", "!skip")
	w.ledger.RecordBuild(fake.ID("roots"), ledger.Attempt{UID: "roots-uid"})
	w.ledger.StartRollout(fake.ID("roots"), 1, []target.Ref{fake.Key("roots", "a").Ref}, fake.Start)
	return x, w, server
}

func writerTo(t *testing.T, server http.RoundTripper) *writer.Writer {
	t.Helper()
	writer, err := writer.New(&rest.Config{Host: "http://server"}, &http.Client{Transport: server}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return writer
}

// written is the response of the API server to a write.
func written(resourceVersion string) *metav1.PartialObjectMetadata {
	object := fake.Observed("roots", "a", resourceVersion)
	object.OwnerReferences = []metav1.OwnerReference{{UID: "roots-uid"}}
	object.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: target.FieldManager}}
	object.SetGroupVersionKind(metav1.SchemeGroupVersion.WithKind("PartialObjectMetadata"))
	return object
}

// A target is brought in sync with as few requests as possible, its outcome is recorded in
// the ledger, and the status is enqueued if that is a change.
func TestConverge(t *testing.T) {
	t.Parallel()
	k := fake.Key("roots", "a")
	conflict := apierrors.NewConflict(corev1.Resource("configmaps"), "roots", fake.ErrDenied)
	forbidden := apierrors.NewForbidden(corev1.Resource("configmaps"), "roots", fake.ErrDenied)
	whole := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: written("7").ObjectMeta}
	whole.ManagedFields, whole.OwnerReferences = []metav1.ManagedFieldsEntry{{Manager: "kubectl"}}, nil
	with := func(change func(*corev1.ConfigMap)) *corev1.ConfigMap { return fake.Changed(whole, change) }
	listed := func(_ *Reconciler, w *world) {
		w.cache.Targets = append(w.cache.Targets, fake.Observed("roots", "a", "7"))
	}
	cases := map[string]struct {
		given    func(*Reconciler, *world)
		answers  map[string]any
		requests []string
		account  account
		fails    string
		status   bool
	}{
		"T7 a missing one is created": {
			nil, map[string]any{"POST": written("7")}, []string{"POST"}, account{1, 1, 0}, "", true,
		},
		"T11 one in sync costs nothing": {
			func(x *Reconciler, w *world) {
				w.cache.Targets = append(w.cache.Targets, fake.Observed("roots", "a", "7"))
				x.observations.RecordRead(k, "uid", "7", target.Holding{Digest: "digest", Owner: "roots-uid", Clean: true}, fake.Start)
			}, nil, nil, account{1, 1, 0}, "", true,
		},
		"one with older content is replaced": {
			func(x *Reconciler, _ *world) {
				x.observations.RecordRead(k, "uid", "7", target.Holding{Digest: "older", Clean: true}, fake.Start)
			},
			map[string]any{"PUT": written("8")}, []string{"PUT"}, account{1, 1, 0}, "", true,
		},
		"T7 one that another writer has changed is read and repaired": {
			func(_ *Reconciler, w *world) {
				w.cache.Targets = append(w.cache.Targets, fake.Observed("roots", "a", "7"))
			},
			map[string]any{"GET": whole, "PUT": written("8"), "PATCH": written("8")}, []string{"GET", "PUT"}, account{1, 1, 0}, "", true,
		},
		"a conflict is read and decided again": {
			nil, map[string]any{"POST": apierrors.NewAlreadyExists(corev1.Resource("configmaps"), "roots"), "GET": whole, "PUT": written("8")},
			[]string{"POST", "GET", "PUT"}, account{1, 1, 0}, "", true,
		},
		"T8 endless conflicts are a failure": {
			nil, map[string]any{"POST": conflict, "GET": whole, "PUT": conflict},
			append([]string{"POST"}, slices.Repeat([]string{"GET", "PUT"}, maxSteps-1)...), account{1, 0, 1}, "other writers keep changing the object", true,
		},
		"T8 a refusal is a failure": {
			nil, map[string]any{"POST": forbidden}, []string{"POST"}, account{1, 0, 1}, "denied", true,
		},
		"T8 an API server that cannot be reached is a failure": {
			nil, map[string]any{"POST": fake.ErrDenied}, []string{"POST"}, account{1, 0, 1}, "denied", true,
		},
		"T8 one with another controller is refused": {
			listed, map[string]any{"GET": with(func(o *corev1.ConfigMap) {
				o.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "Deployment", Name: "web", UID: "web-uid", Controller: new(true)}}
			})}, []string{"GET"}, account{1, 0, 1}, "controlled by Deployment web", true,
		},
		"T8 one that is being deleted is waited for": {
			listed, map[string]any{"GET": with(func(o *corev1.ConfigMap) { o.DeletionTimestamp = new(metav1.NewTime(fake.Start)) })},
			[]string{"GET"}, account{1, 0, 1}, "being deleted", true,
		},
		"T8 one that cannot be read is a failure": {
			listed, map[string]any{"GET": forbidden}, []string{"GET"}, account{1, 0, 1}, "denied", true,
		},
		"T6 a deselected one that is not the operator's is left": {
			func(_ *Reconciler, w *world) {
				w.cache.Namespaces = []*metav1.PartialObjectMetadata{fake.Namespace("a", map[string]string{"skip": ""})}
				w.cache.Targets = append(w.cache.Targets, fake.Observed("roots", "a", "7"))
			}, map[string]any{"GET": whole}, []string{"GET"}, account{}, "", true,
		},
		"T7 a forced apply is followed by a read": {
			listed, map[string]any{"GET": with(func(o *corev1.ConfigMap) { o.ManagedFields = nil }), "PATCH": written("8")},
			slices.Repeat([]string{"GET", "PATCH"}, maxSteps-1), account{1, 0, 1}, "other writers keep changing the object", true,
		},
		"T9 a namespace that terminates is left alone": {
			func(_ *Reconciler, w *world) { fake.Terminating(w.cache.Namespaces[0]) }, nil, nil, account{}, "", true,
		},
		"T9 a namespace that is gone is left alone": {
			func(_ *Reconciler, w *world) { w.cache.Namespaces = nil }, nil, nil, account{}, "", true,
		},
		"T6 a deselected one is deleted": {
			func(x *Reconciler, w *world) {
				w.cache.Namespaces = []*metav1.PartialObjectMetadata{fake.Namespace("a", map[string]string{"skip": ""})}
				x.observations.RecordRead(k, "uid", "7", target.Holding{Digest: "digest", Owner: "roots-uid", Clean: true}, fake.Start)
			}, map[string]any{"DELETE": &metav1.Status{Status: "Success"}}, []string{"DELETE"}, account{}, "", true,
		},
		"T12 a Bundle that is being deleted is inert": {
			func(_ *Reconciler, w *world) { w.cache.Bundles[0].DeletionTimestamp = new(metav1.NewTime(fake.Start)) }, nil, nil, account{1, 0, 0}, "", false,
		},
		"a Bundle without a revision is left alone": {
			func(_ *Reconciler, w *world) { w.revisions.Delete(fake.ID("roots")) }, nil, nil, account{1, 0, 0}, "", false,
		},
		"a re-created Bundle that is not built yet is left alone": {
			func(_ *Reconciler, w *world) { w.cache.Bundles[0].UID = "newer" }, nil, nil, account{1, 0, 0}, "", false,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x, w, server := targetsOf(t, tc.answers)
			if tc.given != nil {
				tc.given(x, w)
			}
			err := x.converge(fake.Quiet(t), k)
			if (err != nil) != (tc.fails != "") || err != nil && !strings.Contains(err.Error(), tc.fails) {
				t.Errorf("error %v, want %q", err, tc.fails)
			}
			if diff := cmp.Diff(tc.requests, server.requests); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			if got := w.account(t); got != tc.account {
				t.Errorf("account %+v, want %+v", got, tc.account)
			}
			if enqueued := len(w.statusNotes.Take()) > 0; enqueued != tc.status {
				t.Errorf("the status is enqueued: %t, want %t", enqueued, tc.status)
			}
		})
	}
}

// The status is enqueued with a delay, so that it does not compete with the targets of a
// new namespace.
func TestConvergeDelaysTheStatus(t *testing.T) {
	t.Parallel()
	x, w, _ := targetsOf(t, map[string]any{"POST": written("7")})
	if err := x.converge(fake.Quiet(t), fake.Key("roots", "a")); err != nil {
		t.Fatal(err)
	}
	queued := w.statusNotes.Take()
	if want := (queuetest.Added[bundle.ID]{Priority: workqueue.DefaultPriority, After: statusDelay, Key: fake.ID("roots")}); len(queued) == 0 || queued[len(queued)-1] != want {
		t.Errorf("queued %v, want %v as the last", queued, want)
	}
}

// T8: whether an obstacle is gone is checked by a read, not by another attempt to write.
func TestConvergeReadsBehindAnObstacle(t *testing.T) {
	t.Parallel()
	x, _, server := targetsOf(t, map[string]any{
		"POST": apierrors.NewAlreadyExists(corev1.Resource("configmaps"), "roots"),
		"GET": &corev1.ConfigMap{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
			ObjectMeta: metav1.ObjectMeta{Name: "roots", Namespace: "a", UID: "theirs", ResourceVersion: "5",
				OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "Deployment", Name: "web", UID: "w", Controller: new(true)}}},
		},
	})
	for range 2 {
		if err := x.converge(fake.Quiet(t), fake.Key("roots", "a")); err == nil {
			t.Error("the obstacle is no failure")
		}
	}
	if diff := cmp.Diff([]string{"POST", "GET", "GET"}, server.requests); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// The result of the operator's own write is trusted for 30 s, and then checked once more.
func TestConvergeRecordsWrites(t *testing.T) {
	t.Parallel()
	x, w, server := targetsOf(t, map[string]any{"POST": written("7")})
	for range 3 {
		if err := x.converge(fake.Quiet(t), fake.Key("roots", "a")); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"POST"}, server.requests); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	want := queuetest.Added[target.Key]{Priority: workqueue.LowPriority, After: target.VerifyDelay, Key: fake.Key("roots", "a")}
	if queued := w.targetNotes.Take(); len(queued) == 0 || queued[0] != want {
		t.Errorf("queued %v, want %v", queued, want)
	}
	w.time.Time = fake.Start.Add(target.WatchLag)
	server.byMethod["GET"] = apierrors.NewNotFound(corev1.Resource("configmaps"), "roots")
	server.requests = nil
	if err := x.converge(fake.Quiet(t), fake.Key("roots", "a")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"GET", "POST"}, server.requests); diff != "" {
		t.Errorf("after 30 s, requests (-want +got):\n%s", diff)
	}
}

// T6, T7: the result of a first write is read once after a delay: admission may have
// changed the data, which the response to a write does not show. Until then nothing is
// replaced or deleted unread; after that, writes are assumed to be stored unchanged.
func TestConvergeVerifiesTheFirstWrite(t *testing.T) {
	t.Parallel()
	k := fake.Key("roots", "a")
	inSync := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: written("7").ObjectMeta}
	inSync.OwnerReferences = nil
	x, w, server := targetsOf(t, map[string]any{"POST": written("7"), "GET": inSync, "PUT": written("8"), "DELETE": &metav1.Status{}})
	want := func(what string, requests ...string) {
		t.Helper()
		if err := x.converge(fake.Quiet(t), k); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(requests, server.requests, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: requests (-want +got):\n%s", what, diff)
		}
		server.requests = nil
	}
	want("created", "POST")
	want("at once")
	// Admission removes the owner reference at each write.
	w.time.Time = fake.Start.Add(target.VerifyDelay)
	want("read and repaired", "GET", "PUT")
	w.cache.Targets = []*metav1.PartialObjectMetadata{fake.Observed("roots", "a", "8")}
	inSync.ResourceVersion = "8"
	want("repaired, and not verified by that")
	w.time.Time = w.time.Time.Add(target.VerifyDelay)
	want("read and repaired again", "GET", "PUT")
	// Admission no longer does that.
	inSync.OwnerReferences = []metav1.OwnerReference{x.mustOwn()}
	w.time.Time = w.time.Time.Add(target.VerifyDelay)
	want("found in sync", "GET")
	w.time.Time = w.time.Time.Add(time.Hour)
	want("verified")
	w.cache.Namespaces[0] = fake.Namespace("a", map[string]string{"skip": "yes"})
	want("no longer selected", "DELETE")
}

// mustOwn sets the complete owner reference in the revision of the Bundle roots, and
// returns it.
func (t *Reconciler) mustOwn() metav1.OwnerReference {
	revision, _ := t.revisions.Get(fake.ID("roots"))
	revision.Owner = metav1.OwnerReference{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: v1alpha1.BundleKind, Name: "roots", UID: "roots-uid",
		Controller: new(true), BlockOwnerDeletion: new(true),
	}
	return revision.Owner
}
