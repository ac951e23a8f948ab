package bundle

import (
	"testing"

	"trust-manager.io/test/framework/fake"
)

// T12: a Bundle that is re-created under its name starts from scratch, whether or not the
// deletion of its predecessor was observed, and whether or not that was built or orphaned.
func TestSessionOfARecreatedBundle(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(t *testing.T, b *Reconciler, w *world){
		"built":       func(t *testing.T, b *Reconciler, w *world) { t.Helper(); b.rebuilt(t, w) },
		"never built": func(*testing.T, *Reconciler, *world) {},
		"seen to end": func(t *testing.T, b *Reconciler, w *world) { t.Helper(); b.rebuilt(t, w); b.drop(fake.ID("roots")) },
		"orphaned":    func(_ *testing.T, _ *Reconciler, w *world) { w.revisions.MarkOrphaned(fake.ID("roots")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, w := bundlesOf(t)
			before(t, b, w)
			s := b.session(fake.ID("roots"), "newer")
			if revision, number := w.revisions.Get(fake.ID("roots")); revision != nil || number != 0 || s.last != nil {
				t.Errorf("active: %v, %d, last build %v", revision, number, s.last)
			}
			if _, ok := w.ledger.Summary(fake.ID("roots")); ok || w.revisions.IsOrphaned(fake.ID("roots")) {
				t.Errorf("recorded in the ledger: %t, orphaned: %t", ok, w.revisions.IsOrphaned(fake.ID("roots")))
			}
			if again := b.session(fake.ID("roots"), "newer"); again != s {
				t.Error("a second session of the same Bundle")
			}
		})
	}
}
