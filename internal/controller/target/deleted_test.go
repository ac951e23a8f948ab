package target

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/target"
	"trust-manager.io/test/framework/fake"
)

// T12: a target that was deleted is re-created only after the API server has shown that its
// Bundle is not being deleted.
func TestConvergeConfirms(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		live     func(*fake.Cache)
		requests []string
		account  account
		fails    bool
	}{
		"it stays":   {func(*fake.Cache) {}, []string{"POST"}, account{1, 1, 0}, false},
		"it is gone": {func(m *fake.Cache) { m.Bundles = nil }, nil, account{1, 0, 0}, false},
		"it is being deleted": {func(m *fake.Cache) {
			m.Bundles[0] = fake.Changed(m.Bundles[0], func(b *v1alpha1.Bundle) { b.DeletionTimestamp = new(metav1.NewTime(fake.Start)) })
		}, nil, account{1, 0, 0}, false},
		"it was re-created": {func(m *fake.Cache) {
			m.Bundles[0] = fake.Changed(m.Bundles[0], func(b *v1alpha1.Bundle) { b.UID = "newer" })
		}, nil, account{1, 0, 0}, false},
		"it cannot be read": {func(m *fake.Cache) { m.Err = fake.ErrDenied }, nil, account{1, 0, 1}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x, w, server := targetsOf(t, map[string]any{"POST": written("9")})
			live := *w.cache
			live.Bundles = append([]*v1alpha1.Bundle(nil), w.cache.Bundles...)
			tc.live(&live)
			x.live = &live
			x.observations.RecordRead(fake.Key("roots", "a"), "uid", "7", target.Holding{Digest: "digest", Owner: "roots-uid", Clean: true}, fake.Start)
			x.observations.RecordDelete(fake.Key("roots", "a"), "8")
			if err := x.converge(fake.Quiet(t), fake.Key("roots", "a")); (err != nil) != tc.fails {
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

// T12: without its Bundle, only an object with a mark is changed; if the Bundle was orphaned,
// only its marks are removed. T15: one that outlives the Bundle is left alone.
func TestConvergeWithoutBundle(t *testing.T) {
	t.Parallel()
	whole := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: written("7").ObjectMeta, Data: map[string]string{"theirs": "x"}}
	whole.Annotations = map[string]string{v1alpha1.SharedAnnotationKey: "true"}
	whole.ManagedFields, whole.OwnerReferences = []metav1.ManagedFieldsEntry{{Manager: "kubectl"}}, nil
	shared := fake.Observed("roots", "a", "7")
	shared.Annotations = whole.Annotations
	for name, tc := range map[string]struct {
		given    func(*world)
		requests []string
	}{
		"shared":     {func(w *world) { w.cache.Targets = append(w.cache.Targets, shared) }, []string{"GET", "PATCH"}},
		"not shared": {func(w *world) { w.cache.Targets = append(w.cache.Targets, fake.Observed("roots", "a", "7")) }, nil},
		"shared, orphaned": {func(w *world) {
			w.cache.Targets = append(w.cache.Targets, shared)
			w.revisions.MarkOrphaned(fake.ID("roots"))
		}, []string{"GET", "PATCH"}},
		"outliving": {func(w *world) {
			outliving := fake.Observed("roots", "a", "7")
			outliving.Annotations = map[string]string{v1alpha1.SharedAnnotationKey: "adopted,orphan"}
			w.cache.Targets = append(w.cache.Targets, outliving)
		}, nil},
		"nothing there": {func(*world) {}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x, w, server := targetsOf(t, map[string]any{"GET": whole, "PATCH": written("8")})
			w.cache.Bundles = nil
			w.revisions.Delete(fake.ID("roots"))
			w.ledger.Drop(fake.ID("roots"))
			tc.given(w)
			if err := x.converge(fake.Quiet(t), fake.Key("roots", "a")); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.requests, server.requests); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			if _, ok := w.ledger.Summary(fake.ID("roots")); ok || len(w.statusNotes.Take()) > 0 {
				t.Error("the ledger or the status has something of a deleted Bundle")
			}
		})
	}
}

// A target whose Bundle is gone is forgotten: the next Bundle of that name starts without
// its conflicts.
func TestConvergeDropsRecordsOfADeletedBundle(t *testing.T) {
	t.Parallel()
	x, w, _ := targetsOf(t, nil)
	if err := x.conflicts.allow(fake.Key("roots", "a"), w.time.Now()); err != nil {
		t.Fatal(err)
	}
	w.cache.Bundles, w.cache.Targets = nil, nil
	w.revisions.Delete(fake.ID("roots"))
	if err := x.converge(fake.Quiet(t), fake.Key("roots", "a")); err != nil {
		t.Fatal(err)
	}
	if seen, _ := x.observations.Lookup(fake.Key("roots", "a"), nil, w.time.Now()); len(x.conflicts.entries) > 0 || seen.State != target.Absent {
		t.Errorf("not forgotten: %v and %v", x.conflicts.entries, seen)
	}
}

// T12: a failed release of a deleted Bundle is logged, since no status can report it.
func TestConvergeLogsFailedReleasesOfDeletedBundles(t *testing.T) {
	t.Parallel()
	whole := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: written("7").ObjectMeta, Data: map[string]string{"theirs": "x"}}
	whole.Annotations = map[string]string{v1alpha1.SharedAnnotationKey: "true"}
	whole.ManagedFields, whole.OwnerReferences = []metav1.ManagedFieldsEntry{{Manager: "kubectl"}}, nil
	x, w, _ := targetsOf(t, map[string]any{"GET": whole, "PATCH": apierrors.NewForbidden(corev1.Resource("configmaps"), "roots", fake.ErrDenied)})
	shared := fake.Observed("roots", "a", "7")
	shared.Annotations = whole.Annotations
	w.cache.Bundles, w.cache.Targets = nil, []*metav1.PartialObjectMetadata{shared}
	w.revisions.Delete(fake.ID("roots"))
	w.ledger.Drop(fake.ID("roots"))
	var lines []string
	logger := funcr.New(func(_, line string) { lines = append(lines, line) }, funcr.Options{})
	if err := x.converge(log.IntoContext(t.Context(), logger), fake.Key("roots", "a")); err == nil {
		t.Fatal("a refused write returns no error")
	}
	if len(lines) != 1 || !strings.Contains(lines[0], "ConfigMap a/roots") || !strings.Contains(lines[0], "denied") {
		t.Errorf("logged %q, want one line with the object and the cause", lines)
	}
}

// A cache that cannot be read is an error, and not an outcome of the target.
func TestConvergeWithoutCache(t *testing.T) {
	t.Parallel()
	x, w, server := targetsOf(t, nil)
	w.cache.Err = fake.ErrDenied
	if err := x.converge(fake.Quiet(t), fake.Key("roots", "a")); !errors.Is(err, fake.ErrDenied) {
		t.Errorf("error %v", err)
	}
	if got := w.account(t); got != (account{1, 0, 0}) || len(server.requests) > 0 {
		t.Errorf("account %+v, requests %v", got, server.requests)
	}
}

// T6: a release that is refused is a failure until it succeeds.
func TestConvergeReportsFailedReleases(t *testing.T) {
	t.Parallel()
	x, w, server := targetsOf(t, map[string]any{"DELETE": apierrors.NewForbidden(corev1.Resource("configmaps"), "roots", fake.ErrDenied)})
	k := fake.Key("roots", "a")
	w.cache.Namespaces[0] = fake.Namespace("a", map[string]string{"skip": ""})
	x.observations.RecordRead(k, "uid", "7", target.Holding{Digest: "digest", Owner: "roots-uid", Clean: true}, fake.Start)
	if err := x.converge(fake.Quiet(t), k); err == nil {
		t.Error("no error")
	}
	if got := w.account(t); got != (account{1, 0, 1}) {
		t.Errorf("refused: account %+v", got)
	}
	server.byMethod["DELETE"] = &metav1.Status{Status: "Success"}
	if err := x.converge(fake.Quiet(t), k); err != nil {
		t.Errorf("error %v", err)
	}
	if got := w.account(t); got != (account{}) {
		t.Errorf("released: account %+v", got)
	}
}

// Reconcile goes through the pool: an error is a retry, not an error of the controller.
func TestReconcileTarget(t *testing.T) {
	t.Parallel()
	x, w, _ := targetsOf(t, map[string]any{"POST": fake.ErrDenied})
	result, err := x.Reconcile(fake.Quiet(t), fake.Key("roots", "a"))
	if err != nil || result.RequeueAfter != 0 {
		t.Errorf("result %v, error %v", result, err)
	}
	queued := w.targetNotes.Take()
	if len(queued) != 1 || queued[0].After <= 0 || queued[0].After > 250*time.Millisecond {
		t.Errorf("queued %v", queued)
	}
}
