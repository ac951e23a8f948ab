package integration

import (
	"cmp"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
)

// T5: targets that cert-manager's trust-manager has left are taken over in
// place: the same objects, no delete, no moment without data. What it wrote and
// nobody asks for any more goes, and what others added stays.
func TestTakeOver(t *testing.T) {
	noOperator(t)
	s := newScene(t)
	namespaces := s.namespaces(3)
	ca := newAuthority("CA")
	bundle := s.bundle(inLine(ca))
	owner := ownedBy(bundle)
	for _, namespace := range namespaces {
		apply(t, namespace, bundle.Name, "trust-manager", map[string]any{
			"metadata": map[string]any{
				"labels":      map[string]any{v1alpha1.BundleLabelKey: bundle.Name},
				"annotations": map[string]any{v1alpha1.BundleHashAnnotationKey: "0123456789abcdef"},
				"ownerReferences": []any{map[string]any{
					"apiVersion": owner.APIVersion, "kind": owner.Kind, "name": owner.Name, "uid": string(owner.UID),
					"controller": true, "blockOwnerDeletion": true,
				}},
			},
			"data":       map[string]any{targetKey: ca.certificate[:len(ca.certificate)-1]},
			"binaryData": map[string]any{"bundle.jks": []byte("store")},
		})
	}
	theirs := map[string]string{"theirs": "data"}
	addData(t, namespaces[2], bundle.Name, theirs)
	change(t, configMap(namespaces[1], bundle.Name), func(o *corev1.ConfigMap) { o.ManagedFields = nil })

	histories := map[string]*history{}
	uids := map[string]string{}
	for _, namespace := range namespaces {
		histories[namespace] = observe(t, namespace, bundle.Name)
		uids[namespace] = string(read(t, configMap(namespace, bundle.Name)).UID)
	}
	startOperator(t)
	for _, namespace := range namespaces {
		want := target{bundle: bundle, namespace: namespace, certificates: []authority{ca}}
		if namespace == namespaces[2] {
			want.data = theirs
		}
		after := want.await(t)
		if string(after.UID) != uids[namespace] {
			t.Errorf("%s: the object was made anew", namespace)
		}
		histories[namespace].wantTakenOver(t, after)
	}
	awaitSynced(t, bundle, 3)
}

// T5, T6: a ConfigMap that a user has made under the Bundle's name is shared; one
// in which the user had nothing but the target's key becomes the operator's.
func TestTakeOverOfUsersObject(t *testing.T) {
	t.Parallel()
	operator(t)
	s := newScene(t)
	namespaces := s.namespaces(2)
	ca := newAuthority("CA")
	bundle := s.newBundle(inLine(ca))
	shared := configMap(namespaces[0], bundle.Name)
	shared.Labels = map[string]string{"theirs": "label"}
	shared.Data = map[string]string{"theirs": "data"}
	replaced := configMap(namespaces[1], bundle.Name)
	replaced.Data = map[string]string{targetKey: "old"}
	create(t, shared, replaced)
	s.temporary(bundle)

	after := target{bundle: bundle, namespace: namespaces[0], certificates: []authority{ca}, data: shared.Data, labels: shared.Labels}.await(t)
	if after.UID != shared.UID {
		t.Error("the shared object was made anew")
	}
	after = target{bundle: bundle, namespace: namespaces[1], certificates: []authority{ca}}.await(t)
	if after.UID != replaced.UID {
		t.Error("the other object was made anew")
	}
	awaitSynced(t, bundle, 2)
}

// T4, T7: an owner reference to a Bundle of this name is the operator's whatever
// its UID, and is put right in the same write; those of others stay.
func TestOwnerOfOldBundleIsPutRight(t *testing.T) {
	noOperator(t)
	pauseGarbageCollection(t)
	s := newScene(t)
	namespace := s.namespaces(1)[0]
	ca := newAuthority("CA")
	bundle := s.bundle(inLine(ca))
	old := ownedBy(bundle)
	old.UID = "00000000-0000-0000-0000-000000000000"
	stranger := metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: "stranger", UID: "11111111-1111-1111-1111-111111111111"}
	left := configMap(namespace, bundle.Name)
	left.Labels = map[string]string{v1alpha1.BundleLabelKey: bundle.Name}
	left.OwnerReferences = []metav1.OwnerReference{stranger, old}
	left.Data = map[string]string{targetKey: ca.certificate}
	if err := api.Create(t.Context(), left, client.FieldOwner("trust-manager")); err != nil {
		t.Fatal(err)
	}
	before := env.Audit.Mark()
	startOperator(t)
	eventually(t, "the owners to be right", func() error {
		now := read(t, configMap(namespace, bundle.Name))
		byUID := func(a, b metav1.OwnerReference) int { return cmp.Compare(a.UID, b.UID) }
		slices.SortFunc(now.OwnerReferences, byUID)
		want := now.DeepCopy()
		want.OwnerReferences = []metav1.OwnerReference{stranger, ownedBy(bundle)}
		slices.SortFunc(want.OwnerReferences, byUID)
		return compareContent(want, now)
	})
	if wrote := requests(t, before, writesOf(bundle)); len(wrote) != 1 {
		t.Errorf("it took %v, want one write", wrote)
	}
}
