package bundle

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/workqueue"
	"trust-manager.io/internal/workqueue/queuetest"
	"trust-manager.io/test/framework/fake"
)

// T6: existing targets of both kinds are listed, but only of enabled kinds and in
// reachable namespaces.
func TestExistingOfBothKinds(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	w.cache.Targets = []*metav1.PartialObjectMetadata{
		fake.Observed("roots", "c", "7"), fake.AsSecret(fake.Observed("roots", "a", "7")), fake.AsSecret(fake.Observed("other", "a", "7")),
		fake.Changed(fake.AsSecret(fake.Observed("roots", "b", "7")), func(o *metav1.PartialObjectMetadata) { o.Name = "copy" }),
		fake.Changed(fake.Observed("roots", "b", "7"), func(o *metav1.PartialObjectMetadata) { o.Labels[v1alpha1.BundleLabelKey] = "other" }),
	}
	for _, tc := range []struct {
		kinds []bundle.Kind
		reach []string
		want  []target.Key
	}{
		{[]bundle.Kind{bundle.ConfigMap}, nil, []target.Key{fake.Key("roots", "c")}},
		{[]bundle.Kind{bundle.ConfigMap, bundle.Secret}, nil, []target.Key{fake.Key("roots", "c"), fake.SecretKey("roots", "a")}},
		// The cache of an unreachable namespace cannot be listed (T14).
		{[]bundle.Kind{bundle.ConfigMap, bundle.Secret}, []string{"a"}, []target.Key{fake.SecretKey("roots", "a")}},
	} {
		b.scope = target.NewScope(tc.kinds, tc.reach)
		got, err := b.listExisting(fake.Quiet(t), fake.ID("roots"), b.scope.Kinds)
		if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
			t.Errorf("%v: error %v, (-want +got):\n%s", tc.kinds, err, diff)
		}
	}
}

// T12: targets of both kinds of a deleted Bundle are reconciled.
func TestGoneBundleOfBothKinds(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	b.scope.Kinds = []bundle.Kind{bundle.ConfigMap, bundle.Secret}
	w.cache.Targets = []*metav1.PartialObjectMetadata{fake.Observed("roots", "a", "7"), fake.AsSecret(fake.Observed("roots", "b", "7"))}
	w.cache.Bundles = nil
	want := append(inBulk("a"), queuetest.Added[target.Key]{Priority: workqueue.DefaultPriority, After: 0, Key: fake.SecretKey("roots", "b")})
	if diff := cmp.Diff(want, b.rebuilt(t, w)); diff != "" {
		t.Errorf("queued (-want +got):\n%s", diff)
	}
}

// T6: every rollout enqueues the targets of kinds that the Bundle no longer wants too, but last: a
// release that has failed is reported again.
func TestRolloutOfUnwantedKinds(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	b.scope.Kinds = []bundle.Kind{bundle.Secret, bundle.ConfigMap}
	w.cache.Targets = []*metav1.PartialObjectMetadata{fake.AsSecret(fake.Observed("roots", "a", "7")), fake.Observed("roots", "a", "7")}
	for _, key := range []string{"one.pem", "two.pem"} {
		w.edit(func(from *v1alpha1.Bundle) { from.Spec.Target.ConfigMap.Key = key })
		if _, err := b.Reconcile(fake.Quiet(t), fake.ID("roots")); err != nil {
			t.Fatal(err)
		}
		queued := w.targetNotes.Take()
		if last := queued[len(queued)-1].Key; last != fake.SecretKey("roots", "a") {
			t.Errorf("%s: the last of %d is %s", key, len(queued), last)
		}
	}
}
