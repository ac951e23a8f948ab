package bundle

import (
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/api/trustmanager/v1alpha2"
	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/workqueue/queuetest"
	"trust-manager.io/test/framework/fake"
)

// rivals has a Bundle and a ClusterBundle of one name.
func rivals(t *testing.T) (*Reconciler, *world, *v1alpha2.ClusterBundle) {
	t.Helper()
	b, w := bundlesOf(t)
	text := root(2)
	rival := &v1alpha2.ClusterBundle{
		ObjectMeta: metav1.ObjectMeta{Name: "roots", UID: "cluster-uid", Generation: 1, ResourceVersion: "1"},
		Spec: v1alpha2.ClusterBundleSpec{
			InLineCAs: &text,
			Target:    &v1alpha2.ClusterBundleTarget{ConfigMap: &v1alpha2.TargetObject{Data: []v1alpha2.TargetFile{{Key: "k"}}}},
		},
	}
	w.cache.ClusterBundles = []*v1alpha2.ClusterBundle{rival}
	return b, w, rival
}

// superior is the ID of the ClusterBundle.
var superior = bundle.ID{Kind: bundle.APIClusterBundle, Name: "roots"}

// built reconciles a bundle, and reports whether it has a revision afterwards.
func (b *Reconciler) built(t *testing.T, w *world, id bundle.ID) bool {
	t.Helper()
	if _, err := b.Reconcile(fake.Quiet(t), id); err != nil {
		t.Fatal(err)
	}
	revision, _ := w.revisions.Get(id)
	return revision != nil
}

// E4: a Bundle stays active until the ClusterBundle of its name has been built, and becomes
// active again once that is gone.
func TestBundleYields(t *testing.T) {
	t.Parallel()
	b, w, rival := rivals(t)
	w.cache.ClusterBundles = nil
	if !b.built(t, w, fake.ID("roots")) {
		t.Fatal("the Bundle is not built alone")
	}
	w.cache.ClusterBundles = []*v1alpha2.ClusterBundle{rival}
	if !b.built(t, w, fake.ID("roots")) {
		t.Error("the Bundle is dropped before the ClusterBundle has been tried")
	}
	w.bundleNotes.Take()
	if !b.built(t, w, superior) || b.built(t, w, fake.ID("roots")) {
		t.Error("the ClusterBundle does not supersede the Bundle")
	}
	enqueued := func(note queuetest.Added[bundle.ID]) bool { return note.Key == fake.ID("roots") }
	if !slices.ContainsFunc(w.bundleNotes.Take(), enqueued) {
		t.Error("the Bundle is not enqueued when it is superseded")
	}
	if summary, _ := w.ledger.Summary(fake.ID("roots")); summary.Attempt.SupersededBy != superior || summary.Built {
		t.Errorf("summary %+v", summary)
	}
	rival.DeletionTimestamp = new(metav1.NewTime(fake.Start))
	rival.Status.Digest = "digest"
	if b.built(t, w, superior) || b.built(t, w, fake.ID("roots")) {
		t.Error("the Bundle is active while the ClusterBundle is being deleted")
	}
	w.bundleNotes.Take()
	w.cache.ClusterBundles = nil
	if b.built(t, w, superior) || !slices.ContainsFunc(w.bundleNotes.Take(), enqueued) || !b.built(t, w, fake.ID("roots")) {
		t.Error("the Bundle is not active after the ClusterBundle")
	}
	if summary, _ := w.ledger.Summary(fake.ID("roots")); summary.Attempt.SupersededBy != (bundle.ID{}) || !summary.Built {
		t.Errorf("summary %+v", summary)
	}
}

// E4: what a new process does with a Bundle beside a ClusterBundle, in whichever order they come.
func TestBundleYieldsAfterRestart(t *testing.T) {
	t.Parallel()
	invalid := "no certificate"
	for name, tc := range map[string]struct {
		change func(*v1alpha2.ClusterBundle)
		// before and after are whether the Bundle is active before and after the ClusterBundle
		// has been tried.
		before, after bool
		// hasTargets reports that there are targets of an earlier ClusterBundle of the name.
		hasTargets bool
	}{
		"it can be built":                    {func(*v1alpha2.ClusterBundle) {}, false, false, false},
		"it cannot be built":                 {func(c *v1alpha2.ClusterBundle) { c.Spec.InLineCAs = &invalid }, false, true, false},
		"it could be built earlier, not now": {func(c *v1alpha2.ClusterBundle) { c.Spec.InLineCAs, c.Status.Digest = &invalid, "digest" }, false, false, false},
		"it had targets without PEM, not now": {func(c *v1alpha2.ClusterBundle) {
			c.Spec.InLineCAs, c.Status.Targets = &invalid, &v1alpha1.TargetCounts{Wanted: 1}
		}, false, false, false},
		"it cannot be built, and has targets of an earlier one": {func(c *v1alpha2.ClusterBundle) { c.Spec.InLineCAs, c.Status.ObservedGeneration = &invalid, -1 }, false, true, true},
		"it has no target": {func(c *v1alpha2.ClusterBundle) { c.Spec.Target = nil }, true, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, w, rival := rivals(t)
			if tc.hasTargets {
				w.cache.Targets = []*metav1.PartialObjectMetadata{ofClusterBundle("a")}
			}
			tc.change(rival)
			if got := b.built(t, w, fake.ID("roots")); got != tc.before {
				t.Errorf("before: active %t", got)
			}
			b.built(t, w, superior)
			if got := b.built(t, w, fake.ID("roots")); got != tc.after {
				t.Errorf("after: active %t", got)
			}
		})
	}
}

// ofClusterBundle returns a target of the ClusterBundle, as the cache has it.
func ofClusterBundle(namespace string) *metav1.PartialObjectMetadata {
	object := fake.Observed("roots", namespace, "7")
	object.Labels = map[string]string{v1alpha2.BundleLabelKey: "roots"}
	return object
}

// E4: under the definition that cert-manager's project has published, a status has no fields of
// this operator. The targets show that the ClusterBundle was active.
func TestBundleYieldsUnderAnOlderDefinition(t *testing.T) {
	t.Parallel()
	b, w, rival := rivals(t)
	rival.Spec.InLineCAs = new("no certificate")
	w.cache.Targets = []*metav1.PartialObjectMetadata{ofClusterBundle("a")}
	b.built(t, w, superior)
	if b.built(t, w, fake.ID("roots")) {
		t.Error("the Bundle is active")
	}
}

// E4: a Bundle without a ClusterBundle is not enqueued for one.
func TestNoInferior(t *testing.T) {
	t.Parallel()
	b, w, _ := rivals(t)
	w.cache.Bundles = nil
	b.built(t, w, superior)
	if notes := w.bundleNotes.Take(); len(notes) > 0 {
		t.Errorf("enqueued %v", notes)
	}
}

// E1: a change of annotations is taken up: one of them sets the format of a file.
func TestAnnotationsAreTakenUp(t *testing.T) {
	t.Parallel()
	b, w := newWorld()
	before := fake.Bundle("roots")
	after := fake.Changed(before, func(b *v1alpha1.Bundle) { b.Annotations, b.UID = map[string]string{"a": "b"}, types.UID("roots-uid") })
	fake.Update[client.Object](b.bundleEvents(bundle.APIBundle), before, after)
	if notes := w.bundleNotes.Take(); len(notes) != 1 {
		t.Errorf("enqueued %v", notes)
	}
}

// E4: what a Bundle retains stays retained by the ClusterBundle that replaces it, and what that no
// longer retains does not come back with the Bundle.
func TestRetainedMovesAlong(t *testing.T) {
	t.Parallel()
	b, w, rival := rivals(t)
	w.cache.ClusterBundles = nil
	retain := &v1alpha1.BundleRotation{Retain: metav1.Duration{Duration: time.Hour}}
	holds := func(when string, id bundle.ID, want int) {
		t.Helper()
		if !b.built(t, w, id) {
			t.Fatalf("%s: not built", when)
		}
		if summary, _ := w.ledger.Summary(id); summary.Certificates != want {
			t.Errorf("%s: %d certificates, want %d", when, summary.Certificates, want)
		}
	}
	w.edit(func(b *v1alpha1.Bundle) {
		b.Spec.Rotation = retain
		b.Spec.Sources = []v1alpha1.BundleSource{{InLine: new(root(1) + root(2))}}
	})
	holds("the Bundle", fake.ID("roots"), 2)
	w.edit(func(b *v1alpha1.Bundle) { b.Spec.Sources = []v1alpha1.BundleSource{{InLine: new(root(1))}} })
	holds("the Bundle retains", fake.ID("roots"), 2)
	rival.Spec.InLineCAs, rival.Spec.Rotation = new(root(1)), retain
	w.cache.ClusterBundles = []*v1alpha2.ClusterBundle{rival}
	holds("the ClusterBundle retains", superior, 2)
	b.built(t, w, fake.ID("roots"))
	w.time.Time = w.time.Time.Add(2 * time.Hour)
	holds("the retention has ended", superior, 1)
	w.cache.ClusterBundles = nil
	b.built(t, w, superior)
	holds("the Bundle again", fake.ID("roots"), 1)
}

// E6: the state of a bundle whose kind is not served is changed.
func TestStateOfUnservedKind(t *testing.T) {
	t.Parallel()
	b, _, _ := rivals(t)
	b.apis = apis.Adapters{apis.Bundle{}}
	if _, err := b.Reconcile(fake.Quiet(t), superior); err != nil {
		t.Error(err)
	}
}
