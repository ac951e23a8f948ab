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

// T6: a rollout concerns the kinds that the revision or the one before wants, and all if this
// process had none before.
func TestKindsOfRollout(t *testing.T) {
	t.Parallel()
	r := &Reconciler{scope: target.Scope{Kinds: []bundle.Kind{bundle.ConfigMap, bundle.Secret, bundle.ClusterTrustBundle}}}
	wanting := func(kinds ...bundle.Kind) *target.Revision {
		revision := &target.Revision{Shapes: map[bundle.Kind]*target.Shape{}}
		for _, kind := range kinds {
			revision.Shapes[kind] = &target.Shape{}
		}
		return revision
	}
	for _, tc := range []struct {
		before, now *target.Revision
		want        []bundle.Kind
	}{
		{nil, wanting(bundle.ConfigMap), r.scope.Kinds},
		{wanting(bundle.ConfigMap), wanting(bundle.ConfigMap), []bundle.Kind{bundle.ConfigMap}},
		{wanting(bundle.Secret), wanting(bundle.ClusterTrustBundle), []bundle.Kind{bundle.Secret, bundle.ClusterTrustBundle}},
		{wanting(), wanting(), []bundle.Kind{}},
	} {
		if diff := cmp.Diff(tc.want, r.kindsOfRollout(tc.before, tc.now)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
