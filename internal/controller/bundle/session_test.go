package bundle

import (
	"testing"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/controller/fake"
)

// T12: a Bundle that is re-created under its name starts from scratch, whether or not the
// deletion of the one before was seen, and whether or not it was built or orphaned.
func TestSessionOfARecreatedBundle(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(t *testing.T, b *Reconciler, w *world){
		"built":       func(t *testing.T, b *Reconciler, w *world) { t.Helper(); b.rebuilt(t, w) },
		"never built": func(*testing.T, *Reconciler, *world) {},
		"seen to end": func(t *testing.T, b *Reconciler, w *world) { t.Helper(); b.rebuilt(t, w); b.drop("roots") },
		"orphaned":    func(_ *testing.T, _ *Reconciler, w *world) { w.revisions.MarkOrphaned("roots") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, w := bundlesOf(t)
			before(t, b, w)
			recreated := fake.Changed(w.cache.Bundles[0], func(b *v1alpha1.Bundle) { b.UID = "newer" })
			s := b.session(recreated)
			if revision, number := w.revisions.Get("roots"); revision != nil || number != 0 || s.last != nil {
				t.Errorf("active: %v, %d, last build %v", revision, number, s.last)
			}
			if _, ok := w.ledger.Summary("roots"); ok || w.revisions.IsOrphaned("roots") {
				t.Errorf("recorded in the ledger: %t, orphaned: %t", ok, w.revisions.IsOrphaned("roots"))
			}
			if again := b.session(recreated); again != s {
				t.Error("a second session of the same Bundle")
			}
		})
	}
}
