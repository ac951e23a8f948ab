package admission_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
)

// K4: the API server bounds the inventory, too.
func TestInventoryLimits(t *testing.T) {
	b := created(t, "inventory-limits", `sources: [{inLine: x}]`)
	until := metav1.NewTime(time.Unix(1900000000, 0))
	sources := func(n int) v1alpha1.BundleInventory {
		return v1alpha1.BundleInventory{Sources: make([]v1alpha1.SourceInventory, n)}
	}
	retained := func(n, subject int) v1alpha1.BundleInventory {
		one := v1alpha1.RetainedCertificate{Subject: strings.Repeat("s", subject), SHA256: strings.Repeat("0", 64), Until: until}
		var list []v1alpha1.RetainedCertificate
		for range n {
			list = append(list, one)
		}
		return v1alpha1.BundleInventory{Retained: list}
	}
	for name, tc := range map[string]struct {
		inventory v1alpha1.BundleInventory
		at        string // empty if accepted
	}{
		"100 sources":            {sources(100), ""},
		"103 sources":            {sources(103), "status.inventory.sources"},
		"20 that are retained":   {retained(20, 128), ""},
		"21 that are retained":   {retained(21, 128), "status.inventory.retained"},
		"a subject of 129":       {retained(1, 129), "status.inventory.retained[0].subject"},
		"a certificate expiring": {v1alpha1.BundleInventory{NextExpiry: &v1alpha1.CertificateExpiry{NotAfter: until, Subject: "s", SHA256: "0"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			update := b.DeepCopy()
			update.Status.Inventory = &tc.inventory
			err := apiClient.Status().Update(requestContext(t), update, client.DryRunAll)
			switch {
			case tc.at != "":
				checkRefusal(t, err, tc.at, "")
			case err != nil:
				t.Errorf("refused, want accepted: %v", err)
			}
		})
	}
}
