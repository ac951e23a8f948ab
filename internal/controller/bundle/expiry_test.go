package bundle

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/workqueue"
	"trust-manager.io/internal/workqueue/queuetest"
	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/fake"
)

// S12: a bundle that changes by time alone is rebuilt just after its validity ends, or
// earlier, since a timer does not observe a clock that is set forward.
func TestAwaitChange(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		last  time.Time
		after time.Duration // 0 for no timer
	}{
		"in a moment":       {fake.Start.Add(time.Second), time.Second + time.Millisecond},
		"now":               {fake.Start, time.Millisecond},
		"in ten minutes":    {fake.Start.Add(maxRequeue), maxRequeue},
		"in twenty years":   {fake.Start.AddDate(20, 0, 0), maxRequeue},
		"in the year 9999":  {time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), maxRequeue},
		"nothing to expect": {time.Time{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, w := bundlesOf(t)
			b.requeueAt(fake.ID("roots"), tc.last)
			var want []queuetest.Added[bundle.ID]
			if tc.after > 0 {
				want = []queuetest.Added[bundle.ID]{{Priority: workqueue.HighPriority, After: tc.after, Key: fake.ID("roots")}}
			}
			if diff := cmp.Diff(want, w.bundleNotes.Take()); diff != "" {
				t.Errorf("queued (-want +got):\n%s", diff)
			}
		})
	}
}

// K2, S12: a Bundle's policy for expired certificates overrides the flags, and unless it
// keeps them, the Bundle is rebuilt in time.
func TestReconcileAppliesTheFiltersOfTheBundle(t *testing.T) {
	t.Parallel()
	inTime := []queuetest.Added[bundle.ID]{{Priority: workqueue.HighPriority, After: maxRequeue, Key: fake.ID("roots")}}
	for name, tc := range map[string]struct {
		flag bundle.Policy
		own  v1alpha1.FilterAction
		want []queuetest.Added[bundle.ID]
	}{
		"the flag alone":            {bundle.Drop, "", inTime},
		"neither":                   {bundle.Keep, "", nil},
		"the Bundle drops them":     {bundle.Keep, v1alpha1.FilterDrop, inTime},
		"the Bundle rejects them":   {bundle.Keep, v1alpha1.FilterReject, inTime},
		"the Bundle keeps them all": {bundle.Drop, v1alpha1.FilterKeep, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, w := bundlesOf(t)
			b.builds.Filter = bundle.Filter{Expired: tc.flag}
			w.edit(func(from *v1alpha1.Bundle) { from.Spec.Filters = &v1alpha1.BundleFilters{Expired: tc.own} })
			b.rebuilt(t, w)
			if diff := cmp.Diff(tc.want, w.bundleNotes.Take()); diff != "" {
				t.Errorf("queued (-want +got):\n%s", diff)
			}
		})
	}
}

// S12, S9: a build schedules the next one, also if the bundle cannot be activated, but
// not if nothing was built.
func TestReconcileAwaitsExpiry(t *testing.T) {
	t.Parallel()
	timers := func(b *Reconciler, w *world) []queuetest.Added[bundle.ID] {
		t.Helper()
		b.rebuilt(t, w)
		return w.bundleNotes.Take()
	}
	b, w := bundlesOf(t)
	b.builds.Filter = bundle.Filter{Expired: bundle.Drop}
	inTime := []queuetest.Added[bundle.ID]{{Priority: workqueue.HighPriority, After: maxRequeue, Key: fake.ID("roots")}}
	if diff := cmp.Diff(inTime, timers(b, w)); diff != "" {
		t.Errorf("built (-want +got):\n%s", diff)
	}
	w.time.Time = fake.Start.AddDate(20, 0, 0)
	if diff := cmp.Diff([]queuetest.Added[bundle.ID]{{Priority: workqueue.HighPriority, After: time.Millisecond, Key: fake.ID("roots")}}, timers(b, w)); diff != "" {
		t.Errorf("in its last moment (-want +got):\n%s", diff)
	}
	w.time.Time = w.time.Time.Add(time.Millisecond)
	if got := timers(b, w); len(got) > 0 {
		t.Errorf("expired: %v", got)
	}
	if summary, _ := w.ledger.Summary(fake.ID("roots")); summary.Attempt.Reason != v1alpha1.BundleReasonSourceNotFound || !summary.Built {
		t.Errorf("expired: summary %+v", summary)
	}
}

// S12, T10: a bundle that is too large is rebuilt when a certificate in it expires: it may
// fit then.
func TestReconcileAwaitsExpiryOfALargeBundle(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	b.builds.Filter = bundle.Filter{Expired: bundle.Drop}
	large := ca.New("1", ca.Padded(500_000)).Certificate + ca.New("2", ca.Padded(500_000)).Certificate
	w.edit(func(obj *v1alpha1.Bundle) { obj.Spec.Sources[0].InLine = &large })
	b.rebuilt(t, w)
	w.wantAttempt(t, "too large", v1alpha1.BundleReasonBundleTooLarge, 0)
	want := []queuetest.Added[bundle.ID]{{Priority: workqueue.HighPriority, After: maxRequeue, Key: fake.ID("roots")}}
	if diff := cmp.Diff(want, w.bundleNotes.Take()); diff != "" {
		t.Errorf("queued (-want +got):\n%s", diff)
	}
}
