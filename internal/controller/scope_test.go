package controller

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/target"
)

// T14: namespaces that are not on the list get nothing: not by a roll-out, and not
// by an event about them.
func TestReachIsLimited(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	w.reach = reachOf([]string{"b", "d", "elsewhere"})
	if diff := cmp.Diff(inBulk("b"), b.rebuilt(t, w)); diff != "" {
		t.Errorf("rolled out (-want +got):\n%s", diff)
	}
	if got := w.account(t); got != (account{1, 0, 0}) {
		t.Errorf("account %+v", got)
	}
	for name, want := range map[string]int{"a": 0, "b": 1, "elsewhere": 1} {
		create(namespaceEvents(w.environment), namespace(name, map[string]string{"team": "x"}))
		if queued := w.targetNotes.take(); len(queued) != want {
			t.Errorf("a new namespace %s: queued %v", name, queued)
		}
	}
	if all := reachOf(nil); all != nil || !w.reaches("b") || w.reaches("a") {
		t.Errorf("reach of no list %v, of one %v", all, w.reach)
	}
}

// T13, S11: a Bundle with a Secret target is not built where they are off, and one
// that comes to have one keeps what it has.
func TestSecretTargetsAreOff(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	b.rebuilt(t, w)
	before, _ := w.registry.current("roots")
	w.edit(func(from *v1alpha1.Bundle) { from.Spec.Target.Secret = &v1alpha1.TargetObject{Key: "ca.pem"} })
	if queued := b.rebuilt(t, w); len(queued) > 0 {
		t.Errorf("queued %v", queued)
	}
	if now, _ := w.registry.current("roots"); now != before {
		t.Error("the revision has changed")
	}
	summary, _ := w.ledger.Summary("roots")
	if summary.Attempt.Reason != v1alpha1.BundleReasonSecretTargetsDisabled || summary.Certificates != 1 {
		t.Errorf("summary %+v", summary)
	}
	w.kinds = []bundle.Kind{bundle.ConfigMap, bundle.Secret}
	queued := map[target.Key]bool{}
	for _, one := range b.rebuilt(t, w) {
		queued[one.Request] = true
	}
	if !queued[target.Key{Bundle: "roots", Namespace: "a", Kind: bundle.Secret}] || len(queued) != 4 {
		t.Errorf("where they are on, it queues %v", queued)
	}
}
