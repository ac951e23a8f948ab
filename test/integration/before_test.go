package integration

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/rig"
)

// digestBefore is the digest of a ConfigMap target with ca.Unchanged in the version before
// filters, exclusion and rotation (commit 7870975).
const digestBefore = "1eac24b37c6b4f1a748b7372e26645ea8fa6d4bef21f9787b85a43b523676087"

// T11, K1 to K6: after an upgrade, with a Bundle that uses no newer field, the operator
// writes no target and no rotation state. The Bundle's status gets the inventory.
func TestUpgradeWritesNoTarget(t *testing.T) {
	noOperator(t)
	s := newScene(t)
	namespaces := s.namespaces(3)
	authority := authorityOf("Unchanged", ca.Unchanged)
	bundle := s.bundle(inLine(authority))
	for _, namespace := range namespaces {
		before := configMap(namespace, bundle.Name)
		before.Labels = map[string]string{marksOf(bundle.Name).Label: bundle.Name}
		before.Annotations = map[string]string{marksOf(bundle.Name).Hash: digestBefore}
		before.OwnerReferences = []metav1.OwnerReference{ownedBy(bundle)}
		before.Data = map[string]string{targetKey: ca.Unchanged}
		if err := api.Create(t.Context(), before, client.FieldOwner("trust-manager")); err != nil {
			t.Fatal(err)
		}
	}
	began := env.Audit.Mark()
	startOperator(t)
	awaitVerified(t, began, len(namespaces))
	awaitInventory(t, bundle, v1alpha1.BundleInventory{
		Certificates: 1,
		Sources:      []v1alpha1.SourceInventory{{Field: "spec.sources[0].inLine", Certificates: 1}},
		NextExpiry: &v1alpha1.CertificateExpiry{
			NotAfter: metav1.NewTime(time.Date(2046, 1, 24, 23, 12, 33, 0, time.UTC)), Subject: "CN=Unchanged", SHA256: authority.fingerprint(),
		},
	}, v1alpha1.TargetCounts{Wanted: 3, Synced: 3})
	stays(t, 2*time.Second, "peace", func() error {
		wrote := requests(t, began, func(q rig.Request) bool {
			return q.IsWrite() && (q.Resource == "configmaps" || q.Resource == "secrets")
		})
		if len(wrote) > 0 {
			return fmt.Errorf("the operator wrote %v", wrote)
		}
		return nil
	})
	// The operator is still alive.
	change(t, configMap(namespaces[0], bundle.Name), func(o *corev1.ConfigMap) { delete(o.Data, targetKey) })
	awaitTargets(t, bundle, namespaces, authority)
}
