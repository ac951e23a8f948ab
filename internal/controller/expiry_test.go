package controller

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
)

// S12: where expired certificates are left out, a bundle is built again just after
// the moment up to which its next certificate is valid, or before that, since a
// timer does not see a clock that is put forward.
func TestAwaitExpiry(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		filter   bundle.Filter
		earliest time.Time
		after    time.Duration // 0 for no timer
	}{
		"in a moment":         {bundle.Filter{Expired: true}, start.Add(time.Second), time.Second + time.Millisecond},
		"now":                 {bundle.Filter{Expired: true}, start, time.Millisecond},
		"in ten minutes":      {bundle.Filter{Expired: true}, start.Add(longestWait), longestWait},
		"in twenty years":     {bundle.Filter{Expired: true}, start.AddDate(20, 0, 0), longestWait},
		"no certificate":      {bundle.Filter{Expired: true}, time.Time{}, 0},
		"nothing is left out": {bundle.Filter{NonCA: true}, start.Add(time.Second), 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, w := bundlesOf(t)
			b.filter = tc.filter
			b.awaitExpiry("roots", tc.earliest)
			var want []added[string]
			if tc.after > 0 {
				want = []added[string]{{urgent, tc.after, "roots"}}
			}
			if diff := cmp.Diff(want, w.bundleNotes.take()); diff != "" {
				t.Errorf("queued (-want +got):\n%s", diff)
			}
		})
	}
}

// S12, S9: a build sees to the next one: also where the bundle cannot be put into
// force, but not where nothing was built.
func TestReconcileAwaitsExpiry(t *testing.T) {
	t.Parallel()
	timers := func(b *bundles, w *world) []added[string] {
		t.Helper()
		b.rebuilt(t, w)
		return w.bundleNotes.take()
	}
	b, w := bundlesOf(t)
	b.filter = bundle.Filter{Expired: true}
	inTime := []added[string]{{urgent, longestWait, "roots"}}
	if diff := cmp.Diff(inTime, timers(b, w)); diff != "" {
		t.Errorf("built (-want +got):\n%s", diff)
	}
	w.time.now = start.AddDate(20, 0, 0)
	if diff := cmp.Diff([]added[string]{{urgent, time.Millisecond, "roots"}}, timers(b, w)); diff != "" {
		t.Errorf("in its last moment (-want +got):\n%s", diff)
	}
	w.time.now = w.time.now.Add(time.Millisecond)
	if got := timers(b, w); len(got) > 0 {
		t.Errorf("expired: %v", got)
	}
	if summary, _ := w.ledger.Summary("roots"); summary.Attempt.Reason != v1alpha1.BundleReasonSourceNotFound || !summary.Built {
		t.Errorf("expired: summary %+v", summary)
	}
}
