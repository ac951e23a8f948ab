package controller

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/ledger"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/workqueue"
	"trust-manager.io/internal/workqueue/queuetest"
)

// answers is an API server that answers each method alike, or not at all.
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

// targetsOf gives the queue of targets in a world in which the Bundle roots is
// in force in the namespace a and accounted for.
func targetsOf(t *testing.T, byMethod map[string]any) (*targets, *world, *answers) {
	t.Helper()
	w := newWorld()
	w.cache.bundles = []*v1alpha1.Bundle{made("roots")}
	w.cache.namespaces = []*metav1.PartialObjectMetadata{namespace("a", nil)}
	w.enforce("roots", "roots-uid", "!skip")
	w.ledger.Tried("roots", ledger.Attempt{UID: "roots-uid"})
	w.ledger.Begin("roots", 1, []ledger.Place{{Kind: bundle.ConfigMap, Namespace: "a"}}, start)
	server := &answers{byMethod: byMethod}
	writer := writerTo(t, server)
	return &targets{environment: w.environment, observed: w.cache, writer: writer, memory: newMemory(), contests: newContests(), terminations: newTerminations(), reading: make(chan struct{}, maxReading)}, w, server
}

func writerTo(t *testing.T, server http.RoundTripper) *target.Writer {
	t.Helper()
	writer, err := target.NewWriter(&rest.Config{Host: "http://server"}, &http.Client{Transport: server})
	if err != nil {
		t.Fatal(err)
	}
	return writer
}

// written is what the API server answers to a write.
func written(resourceVersion string) *metav1.PartialObjectMetadata {
	object := observed("roots", "a", resourceVersion)
	object.OwnerReferences = []metav1.OwnerReference{{UID: "roots-uid"}}
	object.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: target.FieldManager}}
	object.SetGroupVersionKind(metav1.SchemeGroupVersion.WithKind("PartialObjectMetadata"))
	return object
}

// account is how the ledger counts.
type account struct{ Wanted, Synced, Failed int }

func (w *world) account(t *testing.T) account {
	t.Helper()
	s, _ := w.ledger.Summary("roots")
	return account{s.Wanted, s.Synced, s.Failed}
}

// A target is brought in line with as few requests as it takes, its outcome
// entered into the ledger, and the status told where that is news.
func TestConverge(t *testing.T) {
	t.Parallel()
	k := key("roots", "a")
	conflict := apierrors.NewConflict(corev1.Resource("configmaps"), "roots", errDenied)
	forbidden := apierrors.NewForbidden(corev1.Resource("configmaps"), "roots", errDenied)
	whole := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: written("7").ObjectMeta}
	whole.ManagedFields, whole.OwnerReferences = []metav1.ManagedFieldsEntry{{Manager: "kubectl"}}, nil
	with := func(change func(*corev1.ConfigMap)) *corev1.ConfigMap { return changed(whole, change) }
	listed := func(_ *targets, w *world) { w.cache.targets = append(w.cache.targets, observed("roots", "a", "7")) }
	cases := map[string]struct {
		given    func(*targets, *world)
		answers  map[string]any
		requests []string
		account  account
		fails    string
		tell     bool
	}{
		"T7 a missing one is created": {
			nil, map[string]any{"POST": written("7")}, []string{"POST"}, account{1, 1, 0}, "", true,
		},
		"T11 one in order costs nothing": {
			func(x *targets, w *world) {
				w.cache.targets = append(w.cache.targets, observed("roots", "a", "7"))
				x.memory.learn(k, "uid", "7", target.Holding{Digest: "digest", Owner: "roots-uid", Clean: true}, start)
			}, nil, nil, account{1, 1, 0}, "", true,
		},
		"one with older content is replaced": {
			func(x *targets, _ *world) {
				x.memory.learn(k, "uid", "7", target.Holding{Digest: "older", Clean: true}, start)
			},
			map[string]any{"PUT": written("8")}, []string{"PUT"}, account{1, 1, 0}, "", true,
		},
		"T7 one that others have changed is read and patched": {
			func(_ *targets, w *world) { w.cache.targets = append(w.cache.targets, observed("roots", "a", "7")) },
			map[string]any{"GET": whole, "PUT": written("8"), "PATCH": written("8")}, []string{"GET", "PUT"}, account{1, 1, 0}, "", true,
		},
		"a conflict is read and decided again": {
			nil, map[string]any{"POST": apierrors.NewAlreadyExists(corev1.Resource("configmaps"), "roots"), "GET": whole, "PUT": written("8")},
			[]string{"POST", "GET", "PUT"}, account{1, 1, 0}, "", true,
		},
		"T8 conflicts without end are a failure": {
			nil, map[string]any{"POST": conflict, "GET": whole, "PUT": conflict},
			append([]string{"POST"}, slices.Repeat([]string{"GET", "PUT"}, maxSteps-1)...), account{1, 0, 1}, "others keep changing the object", true,
		},
		"T8 a refusal is a failure": {
			nil, map[string]any{"POST": forbidden}, []string{"POST"}, account{1, 0, 1}, "denied", true,
		},
		"T8 an API server that cannot be reached is a failure": {
			nil, map[string]any{"POST": errDenied}, []string{"POST"}, account{1, 0, 1}, "denied", true,
		},
		"T8 one that others control is refused": {
			listed, map[string]any{"GET": with(func(o *corev1.ConfigMap) {
				o.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "Deployment", Name: "web", UID: "web-uid", Controller: new(true)}}
			})}, []string{"GET"}, account{1, 0, 1}, "controlled by Deployment web", true,
		},
		"T8 one that is being deleted is waited for": {
			listed, map[string]any{"GET": with(func(o *corev1.ConfigMap) { o.DeletionTimestamp = new(metav1.NewTime(start)) })},
			[]string{"GET"}, account{1, 0, 1}, "being deleted", true,
		},
		"T8 one that cannot be read is a failure": {
			listed, map[string]any{"GET": forbidden}, []string{"GET"}, account{1, 0, 1}, "denied", true,
		},
		"T6 a deselected one that is not the operator's is left": {
			func(_ *targets, w *world) {
				w.cache.namespaces = []*metav1.PartialObjectMetadata{namespace("a", map[string]string{"skip": ""})}
				w.cache.targets = append(w.cache.targets, observed("roots", "a", "7"))
			}, map[string]any{"GET": whole}, []string{"GET"}, account{}, "", true,
		},
		"T7 a forced apply is followed by another look": {
			listed, map[string]any{"GET": with(func(o *corev1.ConfigMap) { o.ManagedFields = nil }), "PATCH": written("8")},
			slices.Repeat([]string{"GET", "PATCH"}, maxSteps-1), account{1, 0, 1}, "others keep changing the object", true,
		},
		"T9 a namespace that terminates is left alone": {
			func(_ *targets, w *world) { terminating(w.cache.namespaces[0]) }, nil, nil, account{}, "", true,
		},
		"T9 a namespace that is gone is left alone": {
			func(_ *targets, w *world) { w.cache.namespaces = nil }, nil, nil, account{}, "", true,
		},
		"T6 a deselected one is deleted": {
			func(x *targets, w *world) {
				w.cache.namespaces = []*metav1.PartialObjectMetadata{namespace("a", map[string]string{"skip": ""})}
				x.memory.learn(k, "uid", "7", target.Holding{Digest: "digest", Owner: "roots-uid", Clean: true}, start)
			}, map[string]any{"DELETE": &metav1.Status{Status: "Success"}}, []string{"DELETE"}, account{}, "", true,
		},
		"T12 a Bundle that is being deleted is inert": {
			func(_ *targets, w *world) { w.cache.bundles[0].DeletionTimestamp = new(metav1.NewTime(start)) }, nil, nil, account{1, 0, 0}, "", false,
		},
		"a Bundle without a revision is left alone": {
			func(_ *targets, w *world) { w.registry.drop("roots") }, nil, nil, account{1, 0, 0}, "", false,
		},
		"a Bundle made anew that is not built yet is left alone": {
			func(_ *targets, w *world) { w.cache.bundles[0].UID = "newer" }, nil, nil, account{1, 0, 0}, "", false,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x, w, server := targetsOf(t, tc.answers)
			if tc.given != nil {
				tc.given(x, w)
			}
			err := x.converge(quiet(t), k)
			if (err != nil) != (tc.fails != "") || err != nil && !strings.Contains(err.Error(), tc.fails) {
				t.Errorf("error %v, want %q", err, tc.fails)
			}
			if diff := cmp.Diff(tc.requests, server.requests); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			if got := w.account(t); got != tc.account {
				t.Errorf("account %+v, want %+v", got, tc.account)
			}
			if told := len(w.statusNotes.Take()) > 0; told != tc.tell {
				t.Errorf("the status is told: %t, want %t", told, tc.tell)
			}
		})
	}
}

// What became of a target waits to be told, so that no status is written among the
// targets of a new namespace.
func TestConvergeTellsLater(t *testing.T) {
	t.Parallel()
	x, w, _ := targetsOf(t, map[string]any{"POST": written("7")})
	if err := x.converge(quiet(t), key("roots", "a")); err != nil {
		t.Fatal(err)
	}
	told := w.statusNotes.Take()
	if want := (queuetest.Added[string]{Priority: workqueue.DefaultPriority, After: statusDelay, Key: "roots"}); len(told) == 0 || told[len(told)-1] != want {
		t.Errorf("told %v, want %v at last", told, want)
	}
}

// What the operator's own write returned is trusted for 30 s, and then looked
// at once more.
func TestConvergeRemembersItsWrites(t *testing.T) {
	t.Parallel()
	x, w, server := targetsOf(t, map[string]any{"POST": written("7")})
	for range 3 {
		if err := x.converge(quiet(t), key("roots", "a")); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"POST"}, server.requests); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	want := queuetest.Added[target.Key]{Priority: workqueue.LowPriority, After: proofDelay, Key: key("roots", "a")}
	if queued := w.targetNotes.Take(); len(queued) == 0 || queued[0] != want {
		t.Errorf("queued %v, want %v", queued, want)
	}
	w.time.now = start.Add(unseen)
	server.byMethod["GET"] = apierrors.NewNotFound(corev1.Resource("configmaps"), "roots")
	server.requests = nil
	if err := x.converge(quiet(t), key("roots", "a")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"GET", "POST"}, server.requests); diff != "" {
		t.Errorf("after 30 s, requests (-want +got):\n%s", diff)
	}
}

// T6, T7: what a first write has become is read once, a little later: admission may
// have changed the data, which no answer to a write shows. Until then nothing is
// replaced or deleted unread; after that, writes count as what they were sent as.
func TestConvergeProvesItsFirstWrite(t *testing.T) {
	t.Parallel()
	k := key("roots", "a")
	inOrder := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: written("7").ObjectMeta}
	inOrder.OwnerReferences = nil
	x, w, server := targetsOf(t, map[string]any{"POST": written("7"), "GET": inOrder, "PUT": written("8"), "DELETE": &metav1.Status{}})
	want := func(what string, requests ...string) {
		t.Helper()
		if err := x.converge(quiet(t), k); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(requests, server.requests, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: requests (-want +got):\n%s", what, diff)
		}
		server.requests = nil
	}
	want("created", "POST")
	want("at once")
	// Admission has taken the owner away, and does so again at each write.
	w.time.now = start.Add(proofDelay)
	want("read and put right", "GET", "PUT")
	w.cache.targets = []*metav1.PartialObjectMetadata{observed("roots", "a", "8")}
	inOrder.ResourceVersion = "8"
	want("put right, and not proven by that")
	w.time.now = w.time.now.Add(proofDelay)
	want("read and put right again", "GET", "PUT")
	// It does so no more.
	inOrder.OwnerReferences = []metav1.OwnerReference{x.mustOwn()}
	w.time.now = w.time.now.Add(proofDelay)
	want("found in order", "GET")
	w.time.now = w.time.now.Add(time.Hour)
	want("proven")
	w.cache.namespaces[0] = namespace("a", map[string]string{"skip": "yes"})
	want("no longer selected", "DELETE")
}

// mustOwn gives the owner of the targets of the Bundle roots, as the API names it, and
// has its revision name it so.
func (t *targets) mustOwn() metav1.OwnerReference {
	revision, _ := t.registry.current("roots")
	revision.Owner = metav1.OwnerReference{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: v1alpha1.BundleKind, Name: "roots", UID: "roots-uid",
		Controller: new(true), BlockOwnerDeletion: new(true),
	}
	return revision.Owner
}

// T6: a target that was not read since its first write is read before it is
// replaced or deleted.
func TestDoubtfulTargetIsReadFirst(t *testing.T) {
	t.Parallel()
	m := newMemory()
	k, holding := key("roots", "a"), target.Holding{Digest: "digest", Owner: "owner", Clean: true}
	doubtful := func(version string) bool {
		seen, _ := m.see(k, observed("roots", "a", version), start)
		return seen.Doubtful
	}
	if !m.wrote(k, "uid", "7", holding, start) || !doubtful("7") {
		t.Error("a first write is not doubtful")
	}
	if _, recheck := m.see(k, observed("roots", "a", "7"), start.Add(time.Second)); recheck != proofDelay-time.Second {
		t.Errorf("it is looked at again after %s", recheck)
	}
	if m.prove(k, "uid", "6") || m.prove(k, "other", "7") || !doubtful("7") {
		t.Error("another version or object proves it")
	}
	if seen, _ := m.see(k, observed("roots", "a", "7"), start.Add(proofDelay)); seen.State != target.Unread {
		t.Errorf("after the delay it is %v", seen)
	}
	if !m.prove(k, "uid", "7") || m.prove(k, "uid", "7") || doubtful("7") {
		t.Error("it is not proven, or proven twice")
	}
	if m.wrote(k, "uid", "8", holding, start) {
		t.Error("a second write is doubtful")
	}
	if !m.wrote(k, "newer", "9", holding, start) {
		t.Error("an object that was made anew is not doubtful")
	}
	m.learn(k, "read", "10", holding, start)
	if doubtful("10") || !m.wrote(k, "read", "11", holding, start) {
		t.Error("an object that was read is doubtful, or its first write is not")
	}
}

// T12: what has vanished is not made again before the API server has said that
// its Bundle is there to stay.
func TestConvergeConfirms(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		live     func(*memoryReader)
		requests []string
		account  account
		fails    bool
	}{
		"it stays":   {func(*memoryReader) {}, []string{"POST"}, account{1, 1, 0}, false},
		"it is gone": {func(m *memoryReader) { m.bundles = nil }, nil, account{1, 0, 0}, false},
		"it is being deleted": {func(m *memoryReader) {
			m.bundles[0] = changed(m.bundles[0], func(b *v1alpha1.Bundle) { b.DeletionTimestamp = new(metav1.NewTime(start)) })
		}, nil, account{1, 0, 0}, false},
		"it was made anew": {func(m *memoryReader) {
			m.bundles[0] = changed(m.bundles[0], func(b *v1alpha1.Bundle) { b.UID = "newer" })
		}, nil, account{1, 0, 0}, false},
		"nobody can say": {func(m *memoryReader) { m.err = errDenied }, nil, account{1, 0, 1}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x, w, server := targetsOf(t, map[string]any{"POST": written("9")})
			live := *w.cache
			live.bundles = append([]*v1alpha1.Bundle(nil), w.cache.bundles...)
			tc.live(&live)
			w.live = &live
			x.memory.learn(key("roots", "a"), "uid", "7", target.Holding{Digest: "digest", Owner: "roots-uid", Clean: true}, start)
			x.memory.vanish(key("roots", "a"), "8")
			if err := x.converge(quiet(t), key("roots", "a")); (err != nil) != tc.fails {
				t.Errorf("error %v", err)
			}
			if diff := cmp.Diff(tc.requests, server.requests); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			if got := w.account(t); got != tc.account {
				t.Errorf("account %+v, want %+v", got, tc.account)
			}
		})
	}
}

// T12: without its Bundle, only an object that is marked shared is touched; where
// the Bundle was orphaned, its marks alone go.
func TestConvergeWithoutBundle(t *testing.T) {
	t.Parallel()
	whole := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: written("7").ObjectMeta, Data: map[string]string{"theirs": "x"}}
	whole.Annotations = map[string]string{v1alpha1.SharedAnnotationKey: "true"}
	whole.ManagedFields, whole.OwnerReferences = []metav1.ManagedFieldsEntry{{Manager: "kubectl"}}, nil
	shared := observed("roots", "a", "7")
	shared.Annotations = whole.Annotations
	for name, tc := range map[string]struct {
		given    func(*world)
		requests []string
	}{
		"shared":           {func(w *world) { w.cache.targets = append(w.cache.targets, shared) }, []string{"GET", "PATCH"}},
		"not shared":       {func(w *world) { w.cache.targets = append(w.cache.targets, observed("roots", "a", "7")) }, nil},
		"shared, orphaned": {func(w *world) { w.cache.targets = append(w.cache.targets, shared); w.registry.orphan("roots") }, []string{"GET", "PATCH"}},
		"nothing there":    {func(*world) {}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x, w, server := targetsOf(t, map[string]any{"GET": whole, "PATCH": written("8")})
			w.cache.bundles = nil
			w.registry.drop("roots")
			w.ledger.Drop("roots")
			tc.given(w)
			if err := x.converge(quiet(t), key("roots", "a")); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.requests, server.requests); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			if _, ok := w.ledger.Summary("roots"); ok || len(w.statusNotes.Take()) > 0 {
				t.Error("there is something to tell of a Bundle that is gone")
			}
		})
	}
}

// Nothing is remembered of a target whose Bundle is gone: the next one of that name
// starts without the contests of this one.
func TestConvergeForgetsWithTheBundle(t *testing.T) {
	t.Parallel()
	x, w, _ := targetsOf(t, nil)
	if err := x.contests.allow(key("roots", "a"), w.clock.Now()); err != nil {
		t.Fatal(err)
	}
	w.cache.bundles, w.cache.targets = nil, nil
	w.registry.drop("roots")
	if err := x.converge(quiet(t), key("roots", "a")); err != nil {
		t.Fatal(err)
	}
	if len(x.contests.repair) > 0 || len(x.memory.known) > 0 {
		t.Errorf("it remembers %v and %v", x.contests.repair, x.memory.known)
	}
}

// T12: what cannot be cleaned has no Bundle whose status could tell, so the log does.
func TestConvergeTellsOfFailedCleanings(t *testing.T) {
	t.Parallel()
	whole := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: written("7").ObjectMeta, Data: map[string]string{"theirs": "x"}}
	whole.Annotations = map[string]string{v1alpha1.SharedAnnotationKey: "true"}
	whole.ManagedFields, whole.OwnerReferences = []metav1.ManagedFieldsEntry{{Manager: "kubectl"}}, nil
	x, w, _ := targetsOf(t, map[string]any{"GET": whole, "PATCH": apierrors.NewForbidden(corev1.Resource("configmaps"), "roots", errDenied)})
	shared := observed("roots", "a", "7")
	shared.Annotations = whole.Annotations
	w.cache.bundles, w.cache.targets = nil, []*metav1.PartialObjectMetadata{shared}
	w.registry.drop("roots")
	w.ledger.Drop("roots")
	var told []string
	logger := funcr.New(func(_, line string) { told = append(told, line) }, funcr.Options{})
	if err := x.converge(log.IntoContext(t.Context(), logger), key("roots", "a")); err == nil {
		t.Fatal("a refused write gives no error")
	}
	if len(told) != 1 || !strings.Contains(told[0], "ConfigMap a/roots") || !strings.Contains(told[0], "denied") {
		t.Errorf("logged %q, want one line with the object and the cause", told)
	}
}

// A cache that cannot be read is an error, and says nothing about the target.
func TestConvergeWithoutCache(t *testing.T) {
	t.Parallel()
	x, w, server := targetsOf(t, nil)
	w.cache.err = errDenied
	if err := x.converge(quiet(t), key("roots", "a")); !errors.Is(err, errDenied) {
		t.Errorf("error %v", err)
	}
	if got := w.account(t); got != (account{1, 0, 0}) || len(server.requests) > 0 {
		t.Errorf("account %+v, requests %v", got, server.requests)
	}
}

// T6: a release that is refused is told, and no longer when it has succeeded.
func TestConvergeTellsOfFailedReleases(t *testing.T) {
	t.Parallel()
	x, w, server := targetsOf(t, map[string]any{"DELETE": apierrors.NewForbidden(corev1.Resource("configmaps"), "roots", errDenied)})
	k := key("roots", "a")
	w.cache.namespaces[0] = namespace("a", map[string]string{"skip": ""})
	x.memory.learn(k, "uid", "7", target.Holding{Digest: "digest", Owner: "roots-uid", Clean: true}, start)
	if err := x.converge(quiet(t), k); err == nil {
		t.Error("no error")
	}
	if got := w.account(t); got != (account{1, 0, 1}) {
		t.Errorf("refused: account %+v", got)
	}
	server.byMethod["DELETE"] = &metav1.Status{Status: "Success"}
	if err := x.converge(quiet(t), k); err != nil {
		t.Errorf("error %v", err)
	}
	if got := w.account(t); got != (account{}) {
		t.Errorf("released: account %+v", got)
	}
}

// The queue's Reconcile goes through the lanes: an error is a retry, not an
// error of the queue.
func TestReconcileTarget(t *testing.T) {
	t.Parallel()
	x, w, _ := targetsOf(t, map[string]any{"POST": errDenied})
	result, err := x.Reconcile(quiet(t), key("roots", "a"))
	if err != nil || result.RequeueAfter != 0 {
		t.Errorf("result %v, error %v", result, err)
	}
	queued := w.targetNotes.Take()
	if len(queued) != 1 || queued[0].After <= 0 || queued[0].After > 250*time.Millisecond {
		t.Errorf("queued %v", queued)
	}
}
