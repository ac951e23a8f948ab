package target

import (
	"maps"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"trust-manager.io/api/trustmanager/v1alpha2"
	"trust-manager.io/internal/bundle"
)

// peerMarks are the marks of the targets of ClusterBundles, which take over those of Bundles.
var peerMarks = bundle.Marks{
	Kind: bundle.APIClusterBundle, Owner: v1alpha2.GroupVersion.WithKind("ClusterBundle").GroupKind(),
	Label: v1alpha2.BundleLabelKey, Hash: v1alpha2.BundleHashAnnotationKey, Shared: v1alpha2.SharedAnnotationKey, Adopt: v1alpha2.AdoptAnnotationKey,
	Peers: []*bundle.Marks{&marks},
}

// succeeding returns what the ClusterBundle roots desires: the same content as the Bundle.
func succeeding() Desired {
	want := wanted()
	want.Marks = &peerMarks
	want.Owner = metav1.OwnerReference{
		APIVersion: "trust-manager.io/v1alpha2", Kind: "ClusterBundle", Name: "roots", UID: "cluster-uid",
		Controller: new(true), BlockOwnerDeletion: new(true),
	}
	delete(want.Shape.Labels, bundleLabel)
	delete(want.Shape.Annotations, hashKey)
	want.Shape.Labels[peerMarks.Label], want.Shape.Annotations[peerMarks.Hash] = "roots", "digest"
	return want
}

// E4: a ClusterBundle takes over what the Bundle of its name has made, in one write: content,
// label, annotations and owner, once it is sure that the ClusterBundle still exists. It releases
// nothing of it.
func TestDecideTakeover(t *testing.T) {
	t.Parallel()
	key := roots
	key.Bundle.Kind = bundle.APIClusterBundle
	take := func(mark bundle.Mark, more ...Field) Action {
		set := map[Field]string{label(peerMarks.Label): "roots", annotation(peerMarks.Hash): "digest"}
		dropped := dropped(append(more, label(bundleLabel), annotation(hashKey))...)
		action := Action{Verb: Patch, UID: objectUID, ResourceVersion: version, Changes: Changes{Set: set, Drop: dropped},
			Holding: Holding{Digest: "digest", Owner: "cluster-uid", Adopted: mark.IsAdopted()}}
		if mark == "" {
			owner := succeeding().Owner
			action.Changes.SetOwner, action.Changes.DropOwners = &owner, []types.UID{bundleUID}
		} else {
			set[annotation(peerMarks.Shared)] = string(mark)
		}
		return action
	}
	whole := Action{Verb: Replace, UID: objectUID, ResourceVersion: version, Holding: Holding{Digest: "digest", Owner: "cluster-uid", Clean: true}}
	skipped := Action{Verb: Skip, UID: objectUID, ResourceVersion: version}
	deselected, deleted, overwriting := succeeding(), succeeding(), succeeding()
	deselected.Selected, deleted.BundleDeleted, deleted.Shape = false, true, nil
	deleted.Owner = metav1.OwnerReference{Name: "roots"}
	overwriting.Overwrite = true
	theirs := withText("theirs", "x")
	for name, tc := range map[string]struct {
		want   Desired
		object *Object
		action Action
	}{
		"a target":                      {succeeding(), object(), confirmed(whole)},
		"other content":                 {succeeding(), object(withText("ca.pem", "of the Bundle")), confirmed(whole)},
		"orphaned by its Bundle":        {succeeding(), object(withOwners()), confirmed(whole)},
		"the Bundle's label removed":    {succeeding(), object(withoutLabel(bundleLabel)), confirmed(whole)},
		"shared":                        {succeeding(), object(shared, theirs), take(bundle.SharedMark, annotation(sharedKey))},
		"a foreign label":               {succeeding(), object(withLabel("theirs", "x")), confirmed(take(""))},
		"adopted by the Bundle":         {succeeding(), object(adopted), take(bundle.AdoptedMark, annotation(sharedKey))},
		"of a Bundle that orphans":      {succeeding(), object(mark(bundle.OrphanMark)), confirmed(whole)},
		"no longer selected":            {deselected, object(), skipped},
		"no longer selected, shared":    {deselected, object(shared, theirs), skipped},
		"the ClusterBundle is deleted":  {deleted, object(), skipped},
		"it is deleted, and shared":     {deleted, object(shared, theirs), skipped},
		"being deleted":                 {succeeding(), object(deleting), Action{Verb: Wait, UID: objectUID, ResourceVersion: version, Holding: whole.Holding}},
		"controlled by another":         {succeeding(), object(withOwners(deployment(true))), Action{Verb: Refuse, UID: objectUID, ResourceVersion: version, Holding: Holding{Digest: "digest", Owner: "cluster-uid"}}},
		"a Bundle of another name owns": {succeeding(), object(withOwners(changedOwner(func(o *metav1.OwnerReference) { o.Name = "other" }))), Action{Verb: Refuse, UID: objectUID, ResourceVersion: version, Holding: Holding{Digest: "digest", Owner: "cluster-uid"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Decide(key, tc.want, Observed{State: Full, Object: tc.object})
			want := tc.action
			want.Key, want.Owner, want.Shape = key, tc.want.Owner, tc.want.Shape
			if diff := sameAction(want, got); diff != "" {
				t.Errorf("action (-want +got):\n%s", diff)
			}
		})
	}
}

// E3, E4: a Bundle takes back what a ClusterBundle has made, whether of this operator or of
// cert-manager's trust-manager, which writes the same label, annotation and owner.
func TestDecideTakeBack(t *testing.T) {
	t.Parallel()
	want := wanted()
	own := marks
	own.Peers = []*bundle.Marks{&peerMarks}
	want.Marks = &own
	from := succeeding()
	record := strings.NewReplacer("trust.cert-manager.io/", "trust-manager.io/", "bundle-uid", "cluster-uid").Replace(ours)
	object := object(withOwners(from.Owner), tracked(managed(FieldManager, metav1.ManagedFieldsOperationApply, record)))
	object.Meta.Labels, object.Meta.Annotations = maps.Clone(from.Shape.Labels), maps.Clone(from.Shape.Annotations)
	check(t, want, Observed{State: Full, Object: object}, confirmed(Action{Verb: Replace, UID: objectUID, ResourceVersion: version, Holding: held(true)}))
	// Without the peer, as in an earlier release, it is another controller's.
	if got := Decide(roots, wanted(), Observed{State: Full, Object: object}); got.Verb != Refuse {
		t.Errorf("without the peer: %s", got.Verb)
	}
}

// E4: the annotation of either API kind is consent to changes.
func TestConsentOfEitherKind(t *testing.T) {
	t.Parallel()
	for _, consent := range []string{marks.Adopt, peerMarks.Adopt} {
		object := stranger(map[string]string{"ca.pem": "other"}, withAnnotation(consent, "true"))
		if got := Decide(roots, succeeding(), Observed{State: Full, Object: object}); got.Verb != Patch {
			t.Errorf("%s: %s: %s", consent, got.Verb, got.Reason)
		}
	}
}
