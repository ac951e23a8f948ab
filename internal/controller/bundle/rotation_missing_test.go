package bundle

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/rotation"
	"trust-manager.io/internal/rotation/store"
	"trust-manager.io/internal/workqueue"
	"trust-manager.io/internal/workqueue/queuetest"
	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/fake"
)

// K5: retained CAs survive the deletion of the state object, but a retention that an
// edit has ended stays ended.
func TestRotationStateIsDeleted(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	c := w.api
	clear := func() {
		delete(w.cache.ConfigMaps, at)
		delete(c.live, at)
	}
	w.rotate(t, 1, 2, 3)
	b.rebuilt(t, w)
	w.rotate(t, 3)
	w.wantHeld(t, b, "two have left", "CN=3 CN=1 CN=2")
	w.wantHeld(t, b, "with the event of the state", "CN=3 CN=1 CN=2")
	clear()
	w.wantHeld(t, b, "deleted", "CN=3 CN=1 CN=2")
	if w.cache.ConfigMaps[at] == nil {
		t.Fatal("it is not made again")
	}
	w.missing()
	w.end(c, "CN=1")
	w.wantHeld(t, b, "one is ended", "CN=3 CN=2")
	clear()
	w.edit(func(from *v1alpha1.Bundle) { from.Spec.Sources = from.Spec.Sources[:1] })
	w.wantHeld(t, b, "deleted then", "CN=3 CN=2")
}

// K5: the end of a retention does not wait for a source: by its time, by a shorter time,
// or because rotation is turned off.
func TestRotationEndsWhileASourceIsMissing(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*world){
		"its time": func(w *world) { w.time.Time = fake.Start.Add(time.Hour + time.Second) },
		"a shorter time": func(w *world) {
			w.time.Time = fake.Start.Add(2 * time.Minute)
			w.edit(func(from *v1alpha1.Bundle) { from.Spec.Rotation.Retain.Duration = time.Minute })
		},
		"turned off": func(w *world) {
			w.time.Time = fake.Start.Add(time.Second)
			w.edit(func(from *v1alpha1.Bundle) { from.Spec.Rotation = nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, w := bundlesOf(t)
			w.rotate(t, 1, 2)
			b.rebuilt(t, w)
			w.rotate(t, 2)
			w.wantHeld(t, b, "one has left", "CN=2 CN=1")
			w.missing()
			w.bundleNotes.Take()
			w.wantHeld(t, b, "missing", "CN=2 CN=1")
			if diff := cmp.Diff([]queuetest.Added[bundle.ID]{{Priority: workqueue.HighPriority, After: maxRequeue, Key: fake.ID("roots")}}, w.bundleNotes.Take()); diff != "" {
				t.Errorf("queued (-want +got):\n%s", diff)
			}
			end(w)
			w.wantHeld(t, b, "ended", "CN=2")
			if queued := w.bundleNotes.Take(); len(queued) > 0 {
				t.Errorf("when it has ended, queued %v", queued)
			}
		})
	}
}

// K5: a retention that is shortened while a source is missing ends at its new time.
func TestRotationIsMadeShorterWhileASourceIsMissing(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	w.rotate(t, 1, 2)
	b.rebuilt(t, w)
	w.rotate(t, 2)
	b.rebuilt(t, w)
	w.missing()
	w.edit(func(from *v1alpha1.Bundle) { from.Spec.Rotation.Retain.Duration = time.Minute })
	w.bundleNotes.Take()
	w.wantHeld(t, b, "not over yet", "CN=2 CN=1")
	if diff := cmp.Diff([]queuetest.Added[bundle.ID]{{Priority: workqueue.HighPriority, After: time.Minute + time.Millisecond, Key: fake.ID("roots")}}, w.bundleNotes.Take()); diff != "" {
		t.Errorf("queued (-want +got):\n%s", diff)
	}
}

// K3, K5: excluded CAs are removed, even if the bundle would otherwise be empty after
// expired retentions.
func TestExcludeRetained(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	w.rotate(t, 1)
	w.edit(func(from *v1alpha1.Bundle) {
		from.Spec.Sources = append(from.Spec.Sources, fake.FromConfigMap("vanishing"))
	})
	w.cache.ConfigMaps["cert-manager/vanishing"] = &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "cert-manager", Name: "vanishing"}, Data: map[string]string{"k": root(2)},
	}
	b.rebuilt(t, w)
	w.edit(func(from *v1alpha1.Bundle) { from.Spec.Sources = from.Spec.Sources[1:] })
	w.wantHeld(t, b, "one has left", "CN=2 CN=1")
	w.time.Time = fake.Start.Add(time.Second)
	delete(w.cache.ConfigMaps, "cert-manager/vanishing")
	w.wantHeld(t, b, "both have left", "CN=1 CN=2")
	w.time.Time = fake.Start.Add(time.Hour + 500*time.Millisecond)
	w.exclude("CN=2")
	w.wantHeld(t, b, "one is over, one excluded", "CN=1")
	w.wantAttempt(t, "one is over, one excluded", v1alpha1.BundleReasonSourceNotFound, 1, "no longer retained is still in the targets", "1 certificate was removed")
}

// K5: without rotation nothing waits for the deletion of the state.
func TestRotationTurnedOffWithoutTheRight(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	w.rotate(t, 1, 2)
	b.rebuilt(t, w)
	w.rotate(t, 2)
	b.rebuilt(t, w)
	c := w.api
	c.err = apierrors.NewForbidden(corev1.Resource("configmaps"), "x", fake.ErrDenied)
	w.edit(func(from *v1alpha1.Bundle) { from.Spec.Rotation = nil })
	w.wantHeld(t, b, "turned off", "CN=2")
	w.wantAttempt(t, "turned off", "", 1)
	c.err = nil
	w.wantHeld(t, b, "with the right", "CN=2")
	if state, _ := rotation.Decode(w.cache.ConfigMaps[at]); len(state.Retained) > 0 {
		t.Error("what was remembered is not cleared when that can be done")
	}
}

// fillLarge sets the sources of the Bundle roots to count CAs of 60 KB each, whose names
// have a common prefix.
func (w *world) fillLarge(t *testing.T, name string, count int) {
	t.Helper()
	text := ""
	for i := range count {
		text += ca.New(name+strconv.Itoa(i), ca.Padded(60_000)).Certificate
	}
	w.edit(func(from *v1alpha1.Bundle) { from.Spec.Sources[0].InLine = &text })
}

// K5: a bundle that is too large with its retained certificates is rolled out as soon as
// their retention has ended: even if the rotation state cannot be persisted meanwhile or
// has room for fingerprints only, and across a restart. Every reason is reported.
func TestRotationOfALargeBundle(t *testing.T) {
	t.Parallel()
	forbidden := apierrors.NewForbidden(corev1.Resource("configmaps"), "x", fake.ErrDenied)
	for name, tc := range map[string]struct {
		certificates int
		during       func(c *stateClient)
		fails        bool
		message      []string
	}{
		"state fits":         {certificates: 7, message: []string{"7 of its certificates are retained"}},
		"state does not fit": {certificates: 9, message: []string{"9 of its certificates are retained"}},
		"state is refused": {certificates: 7, during: func(c *stateClient) { c.err = forbidden }, fails: true,
			message: []string{"7 of its certificates are retained", "ConfigMap cert-manager/roots.rotation-", "denied"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, w := bundlesOf(t)
			c := w.api
			w.rotate(t, 1)
			w.fillLarge(t, "old", tc.certificates)
			b.rebuilt(t, w)
			old := w.held(t)
			w.fillLarge(t, "new", tc.certificates)
			if tc.during != nil {
				tc.during(c)
			}
			for _, later := range []time.Duration{0, 30 * time.Minute, time.Hour - time.Second} {
				w.time.Time = fake.Start.Add(later)
				if _, err := b.Reconcile(fake.Quiet(t), fake.ID("roots")); (err != nil) != tc.fails {
					t.Errorf("after %s: error %v", later, err)
				}
				w.wantAttempt(t, later.String(), v1alpha1.BundleReasonBundleTooLarge, tc.certificates, tc.message...)
				if got := w.held(t); got != old {
					t.Errorf("after %s: %s", later, got)
				}
			}
			c.err = nil
			if !tc.fails { // otherwise a restart has no state to read
				b, w = w.restarted()
				w.wantRefused(t, b, "after a restart", v1alpha1.BundleReasonBundleTooLarge)
			}
			w.time.Time = fake.Start.Add(time.Hour + time.Second)
			b.rebuilt(t, w)
			if got := w.held(t); !strings.HasPrefix(got, "CN=new0") || strings.Contains(got, "old") {
				t.Errorf("in the end: %s", got)
			}
		})
	}
}

// wantRefused builds the Bundle roots, and checks that the build is refused.
func (w *world) wantRefused(t *testing.T, b *Reconciler, when, reason string) {
	t.Helper()
	if _, err := b.Reconcile(fake.Quiet(t), fake.ID("roots")); err != nil {
		t.Errorf("%s: error %v", when, err)
	}
	if revision, _ := w.revisions.Get(fake.ID("roots")); revision != nil {
		t.Errorf("%s: a revision is active", when)
	}
	if summary, _ := w.ledger.Summary(fake.ID("roots")); summary.Attempt.Reason != reason {
		t.Errorf("%s: %s: %s, want %s", when, summary.Attempt.Reason, summary.Attempt.Message, reason)
	}
}

// K5: a certificate that is known only by its fingerprint blocks the bundle until its
// retention ends, a source has it again, or it is excluded; until then no bundle without
// it is rolled out.
func TestRotationByFingerprint(t *testing.T) {
	t.Parallel()
	for name, release := range map[string]func(w *world, object *corev1.ConfigMap){
		"its time": func(w *world, _ *corev1.ConfigMap) { w.time.Time = fake.Start.Add(time.Hour + time.Second) },
		"its line is deleted": func(_ *world, object *corev1.ConfigMap) {
			delete(object.Data, "fingerprints-retained")
		},
		"it is excluded": func(w *world, object *corev1.ConfigMap) {
			lines := strings.Split(strings.TrimSpace(object.Data["fingerprints-retained"]), "\n")
			w.edit(func(from *v1alpha1.Bundle) {
				for _, line := range lines[2:] {
					from.Spec.Exclude = append(from.Spec.Exclude, v1alpha1.Exclusion{SHA256: line[:64]})
				}
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, w := bundlesOf(t)
			w.rotate(t, 1)
			w.edit(func(from *v1alpha1.Bundle) { from.Spec.Rotation.MaxRetained = new(int32(100)) })
			for _, name := range []string{"a", "b", "c"} { // too large for one object even without the existing content
				w.fillLarge(t, name, 9)
				if _, err := b.Reconcile(fake.Quiet(t), fake.ID("roots")); err != nil {
					t.Fatal(err)
				}
			}
			w.wantAttempt(t, "too large", v1alpha1.BundleReasonBundleTooLarge, 9, "18 of its certificates are retained")
			b, w = w.restarted()
			w.fillLarge(t, "small", 1)
			w.wantRefused(t, b, "after a restart", v1alpha1.BundleReasonBundleTooLarge)
			w.wantAttempt(t, "after a restart", v1alpha1.BundleReasonBundleTooLarge, 0, "only the fingerprints are known", "until 2026-11-23T13:00:00Z")
			object := w.cache.ConfigMaps[at].DeepCopy()
			release(w, object)
			object.ResourceVersion += "1"
			w.cache.ConfigMaps[at], w.api.live[at] = object, object
			if _, err := b.Reconcile(fake.Quiet(t), fake.ID("roots")); err != nil {
				t.Fatal(err)
			}
			summary, _ := w.ledger.Summary(fake.ID("roots"))
			if strings.Contains(summary.Attempt.Message, "only the fingerprints") {
				t.Errorf("still %s: %s", summary.Attempt.Reason, summary.Attempt.Message)
			}
		})
	}
}

// K5: persistent conflicts are reported, and still retried.
func TestRotationConflictsWithoutEnd(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	c := w.api
	w.rotate(t, 1, 2)
	b.rebuilt(t, w)
	w.rotate(t, 2)
	c.err = apierrors.NewConflict(corev1.Resource("configmaps"), "x", fake.ErrDenied)
	for i := 1; i < store.MaxStale; i++ {
		if result, err := b.Reconcile(fake.Quiet(t), fake.ID("roots")); err != nil || result.RequeueAfter != cacheLagRetry {
			t.Fatalf("conflict %d: result %v, error %v", i, result, err)
		}
	}
	if _, err := b.Reconcile(fake.Quiet(t), fake.ID("roots")); err == nil {
		t.Error("it is not retried")
	}
	w.wantAttempt(t, "conflicts", v1alpha1.BundleReasonRotationStateFailed, 2, "denied")
	c.err = nil
	w.wantHeld(t, b, "in the end", "CN=2 CN=1")
}
