package target

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/api/trustmanager/v1alpha2"
	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/workqueue"
	"trust-manager.io/internal/workqueue/queuetest"
	"trust-manager.io/test/framework/fake"
)

// peerOf returns the target of the other API kind.
func peerOf(key target.Key) target.Key {
	return target.KeyOf(key.Bundle.Peer(), key.Kind, key.Namespace)
}

// rivals returns a world with a namespace, a Bundle and a ClusterBundle of one name that both
// select it.
func rivals() (*Reconciler, *world) {
	x, w := newWorld(nil)
	w.cache.Namespaces = []*metav1.PartialObjectMetadata{fake.Namespace("a", map[string]string{"team": "x"})}
	from := fake.Bundle("roots")
	selector := v1alpha1.LabelSelector{MatchLabels: map[string]string{"team": "x"}}
	from.Spec.Target = &v1alpha1.BundleTarget{ConfigMap: &v1alpha1.TargetObject{Key: "k"}, NamespaceSelector: &selector}
	w.cache.Bundles = []*v1alpha1.Bundle{from}
	w.cache.ClusterBundles = []*v1alpha2.ClusterBundle{{
		ObjectMeta: metav1.ObjectMeta{Name: "roots", UID: "cluster-uid"},
		Spec: v1alpha2.ClusterBundleSpec{Target: &v1alpha2.ClusterBundleTarget{
			ConfigMap: &v1alpha2.TargetObject{Data: []v1alpha2.TargetFile{{Key: "k"}}}, NamespaceSelector: selector,
		}},
	}}
	return x, w
}

// E4: what a bundle does about an object in a namespace that the other one of its name selects.
func TestDesiredBesidePeer(t *testing.T) {
	t.Parallel()
	own, cluster := fake.Key("roots", "a"), peerOf(fake.Key("roots", "a"))
	of := fake.Revision
	none := &target.Revision{Owner: metav1.OwnerReference{UID: "roots-uid"}, Marks: apis.Bundle{}.Marks(), Namespaces: labels.Nothing()}
	for name, tc := range map[string]struct {
		// ofBundle and ofCluster are the active revisions.
		ofBundle, ofCluster *target.Revision
		change              func(*world)
		key                 target.Key
		// isLeft reports that the object is left alone, isWanted that it is written.
		isLeft, isWanted bool
	}{
		"the ClusterBundle wants it":                         {nil, of("cluster-uid", "team=x"), nil, cluster, false, true},
		"so the Bundle leaves it":                            {nil, of("cluster-uid", "team=x"), nil, own, true, false},
		"the ClusterBundle no longer does, the Bundle might": {nil, of("cluster-uid", "team=y"), nil, cluster, true, false},
		"neither does": {nil, of("cluster-uid", "team=y"), func(w *world) {
			w.cache.Bundles[0].Spec.Target.NamespaceSelector.MatchLabels = map[string]string{"team": "z"}
		}, cluster, false, false},
		"the Bundle is gone":                                 {nil, of("cluster-uid", "team=y"), func(w *world) { w.cache.Bundles = nil }, cluster, false, false},
		"the Bundle is being deleted":                        {nil, of("cluster-uid", "team=y"), func(w *world) { w.cache.Bundles[0].DeletionTimestamp = new(metav1.NewTime(fake.Start)) }, cluster, false, false},
		"the ClusterBundle cannot be built, the Bundle is":   {of("roots-uid", "team=x"), nil, nil, own, false, true},
		"and no longer selects the namespace":                {of("roots-uid", "team=y"), nil, nil, own, false, false},
		"and has no target any more, the other one wants it": {none, nil, nil, own, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x, w := rivals()
			if tc.change != nil {
				tc.change(w)
			}
			if tc.ofBundle != nil {
				w.revisions.Set(own.Bundle, tc.ofBundle)
			}
			if tc.ofCluster != nil {
				w.revisions.Set(cluster.Bundle, tc.ofCluster)
			}
			desired, err := x.desired(fake.Quiet(t), tc.key)
			if err != nil || (desired == nil) != tc.isLeft || desired != nil && desired.isWanted() != tc.isWanted {
				t.Errorf("desired %+v, error %v", desired, err)
			}
		})
	}
}

// E4, T12: a shared object of a deleted ClusterBundle is left to the Bundle that wants it, and
// released otherwise.
func TestDeletedBesidePeer(t *testing.T) {
	t.Parallel()
	key := peerOf(fake.Key("roots", "a"))
	for name, tc := range map[string]struct {
		change func(*world)
		isLeft bool
	}{
		"the Bundle wants it": {func(*world) {}, true},
		"no Bundle":           {func(w *world) { w.cache.Bundles = nil }, false},
		"another kind": {func(w *world) {
			w.cache.Bundles[0].Spec.Target.ConfigMap, w.cache.Bundles[0].Spec.Target.Secret = nil, &v1alpha1.TargetObject{Key: "k"}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x, w := rivals()
			w.cache.ClusterBundles = nil
			shared := fake.Observed("roots", "a", "7")
			shared.Labels = map[string]string{v1alpha2.BundleLabelKey: "roots"}
			shared.Annotations = map[string]string{v1alpha2.SharedAnnotationKey: "true"}
			w.cache.Targets = []*metav1.PartialObjectMetadata{shared}
			tc.change(w)
			desired, err := x.desired(fake.Quiet(t), key)
			if err != nil || (desired == nil) != tc.isLeft {
				t.Errorf("desired %+v, error %v", desired, err)
			}
		})
	}
}

// E6: without the right to see ClusterBundles, their targets are another controller's.
func TestHiddenPeer(t *testing.T) {
	t.Parallel()
	x, w := rivals()
	w.revisions.Set(fake.ID("roots"), fake.Revision("roots-uid", "team=x"))
	x.hidden = func(kind bundle.APIKind) bool { return kind == bundle.APIClusterBundle }
	desired, err := x.desired(fake.Quiet(t), fake.Key("roots", "a"))
	if err != nil || desired == nil || len(desired.Marks.Peers) > 0 || desired.Marks.Label != v1alpha1.BundleLabelKey {
		t.Errorf("desired %+v, error %v", desired, err)
	}
}

// E4: an event of an object also enqueues the target of the other kind's bundle, if that is
// active.
func TestEventsBesidePeer(t *testing.T) {
	t.Parallel()
	x, w := rivals()
	key := fake.Key("roots", "a")
	w.revisions.Set(key.Bundle.Peer(), fake.Revision("cluster-uid", "team=x"))
	fake.Create(x.targetEvents(apis.Bundle{}.Marks(), bundle.ConfigMap), fake.Observed("roots", "a", "7"))
	want := []queuetest.Added[target.Key]{{Priority: workqueue.HighPriority, Key: key}, {Priority: workqueue.LowPriority, Key: peerOf(key)}}
	if got := w.targetNotes.Take(); len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("queued %v, want %v", got, want)
	}
}
