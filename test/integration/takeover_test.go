package integration

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/kinds"
	"trust-manager.io/test/framework/poll"
)

// left creates a target as cert-manager's trust-manager leaves it: by server-side
// apply, with a meaningless hash, and without the final newline.
func (k kind) left(t *testing.T, bundle *v1alpha1.Bundle, namespace string, stores map[string][]byte, content ...authority) {
	t.Helper()
	owner := ownedBy(bundle)
	pem := strings.TrimSuffix(pemOf(content...), "\n")
	fields := map[string]any{
		"metadata": map[string]any{
			"labels":      map[string]any{marksOf(bundle.Name).Label: bundle.Name},
			"annotations": map[string]any{marksOf(bundle.Name).Hash: "0123456789abcdef"},
			"ownerReferences": []any{map[string]any{
				"apiVersion": owner.APIVersion, "kind": owner.Kind, "name": owner.Name, "uid": string(owner.UID),
				"controller": true, "blockOwnerDeletion": true,
			}},
		},
	}
	binary := map[string]any{}
	for key, store := range stores {
		binary[key] = store
	}
	if k == inSecrets {
		binary[targetKey] = []byte(pem)
		fields["data"] = binary
	} else {
		fields["data"], fields["binaryData"] = map[string]any{targetKey: pem}, binary
	}
	k.apply(t, namespace, bundle.Name, "trust-manager", fields)
}

// T5, E3: the operator adopts the targets of cert-manager's trust-manager in place, those of
// Bundles and of ClusterBundles: the same objects, without a delete, at no time with fewer
// certificates or without a store. Its outdated entries are removed, and foreign content stays.
func TestTakeOver(t *testing.T) {
	for _, tc := range []struct {
		kind
		prefix string
	}{{inConfigMaps, ""}, {inSecrets, ""}, {inConfigMaps, kinds.Prefix}, {inSecrets, kinds.Prefix}} {
		t.Run(tc.prefix+tc.kind.String(), func(t *testing.T) {
			k := tc.kind
			noOperator(t)
			s := newScene(t)
			s.name = tc.prefix + s.name
			namespaces := s.namespaces(3)
			content := authorities("A", "B", "C")
			stores := map[string][]byte{jksKey: []byte("store"), pkcs12Key: []byte("another"), "old.jks": []byte("stale")}
			bundle := s.bundle(inLine(content...), k.ask, formats(jks(), p12("secret", "")))
			for _, namespace := range namespaces {
				k.left(t, bundle, namespace, stores, content...)
			}
			theirs := map[string]string{"theirs": "data"}
			k.addData(t, namespaces[2], bundle.Name, theirs)
			k.change(t, namespaces[1], bundle.Name, func(o *corev1.ConfigMap) {
				k.setBinary(o, "old.jks", nil)
				o.ManagedFields = []metav1.ManagedFieldsEntry{{}}
			})
			histories, uids := map[string]*history{}, map[string]types.UID{}
			for _, namespace := range namespaces {
				histories[namespace] = k.observe(t, namespace, bundle.Name)
				uids[namespace] = k.read(t, namespace, bundle.Name).UID
			}
			before := env.Audit.Mark()
			startOperator(t, "--secret-targets-enabled")
			for _, namespace := range namespaces {
				want := target{kind: k, bundle: bundle, namespace: namespace, certificates: content}
				if namespace == namespaces[2] {
					want.data = theirs
				}
				after := want.await(t)
				if after.UID != uids[namespace] {
					t.Errorf("%s: the object was re-created", namespace)
				}
				histories[namespace].wantTakenOver(t, after, jksKey, pkcs12Key)
			}
			awaitSynced(t, bundle, 3)
			for _, q := range requests(t, before, writesOf(bundle)) {
				if q.Verb == "delete" || q.Verb == "create" {
					t.Errorf("the operator asked for %v", q)
				}
			}
		})
	}
}

// T4, T7: an owner reference to a Bundle of this name is the operator's, with any UID,
// and is repaired in the same write; foreign ones stay.
func TestOwnerOfOldBundleIsRepaired(t *testing.T) {
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
	left.Labels = map[string]string{marksOf(bundle.Name).Label: bundle.Name}
	left.OwnerReferences = []metav1.OwnerReference{stranger, old}
	left.Data = map[string]string{targetKey: ca.Certificate}
	if err := api.Create(t.Context(), left, client.FieldOwner("trust-manager")); err != nil {
		t.Fatal(err)
	}
	before := env.Audit.Mark()
	startOperator(t)
	poll.Eventually(t, "the owners to be right", func() error {
		now := read(t, configMap(namespace, bundle.Name))
		byUID := func(a, b metav1.OwnerReference) int { return cmp.Compare(a.UID, b.UID) }
		slices.SortFunc(now.OwnerReferences, byUID)
		want := now.DeepCopy()
		want.OwnerReferences = []metav1.OwnerReference{stranger, ownedBy(bundle)}
		slices.SortFunc(want.OwnerReferences, byUID)
		return compareContent(want, now)
	})
	awaitSynced(t, bundle, 1) // the audit log lags behind
	if wrote := requests(t, before, writesOf(bundle)); len(wrote) != 1 {
		t.Errorf("it took %v, want one write", wrote)
	}
}
