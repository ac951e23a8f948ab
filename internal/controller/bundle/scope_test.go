package bundle

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/target"
	"trust-manager.io/test/framework/fake"
)

// T14: a rollout enqueues nothing in namespaces outside the scope.
func TestScopeOfARollout(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	b.scope = target.NewScope(b.scope.Kinds, []string{"b", "d", "elsewhere"})
	if diff := cmp.Diff(inBulk("b"), b.rebuilt(t, w)); diff != "" {
		t.Errorf("rolled out (-want +got):\n%s", diff)
	}
	if got := w.account(t); got != (account{1, 0, 0}) {
		t.Errorf("account %+v", got)
	}
}

// T13, S11: while Secret targets are disabled, a Bundle with one is not built, and an
// existing Bundle that adds one keeps its revision.
func TestSecretTargetsAreOff(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	b.rebuilt(t, w)
	before, _ := w.revisions.Get(fake.ID("roots"))
	w.edit(func(from *v1alpha1.Bundle) { from.Spec.Target.Secret = &v1alpha1.TargetObject{Key: "ca.pem"} })
	if queued := b.rebuilt(t, w); len(queued) > 0 {
		t.Errorf("queued %v", queued)
	}
	if now, _ := w.revisions.Get(fake.ID("roots")); now != before {
		t.Error("the revision has changed")
	}
	summary, _ := w.ledger.Summary(fake.ID("roots"))
	if summary.Attempt.Reason != v1alpha1.BundleReasonSecretTargetsDisabled || summary.Certificates != 1 {
		t.Errorf("summary %+v", summary)
	}
	b.scope.Kinds = []bundle.Kind{bundle.ConfigMap, bundle.Secret}
	b.builds.Scope = b.scope
	queued := map[target.Key]bool{}
	for _, one := range b.rebuilt(t, w) {
		queued[one.Key] = true
	}
	if !queued[fake.SecretKey("roots", "a")] || len(queued) != 4 {
		t.Errorf("where they are on, it queues %v", queued)
	}
}
