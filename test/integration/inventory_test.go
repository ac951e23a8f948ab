package integration

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// awaitInventory waits until the status of a Bundle, which has ConfigMaps only, has this inventory.
func awaitInventory(t *testing.T, bundle *v1alpha1.Bundle, want v1alpha1.BundleInventory, targets v1alpha1.TargetCounts) {
	t.Helper()
	poll.Eventually(t, "the inventory of Bundle "+bundle.Name, func() error {
		if err := api.Get(t.Context(), client.ObjectKeyFromObject(bundle), bundle); err != nil {
			return err
		}
		if diff := cmp.Diff(&want, bundle.Status.Inventory); diff != "" {
			return fmt.Errorf("inventory (-want +got):\n%s", diff)
		}
		targets.Kinds = []v1alpha1.TargetKindCounts{{Kind: "ConfigMap", Wanted: targets.Wanted, Synced: targets.Synced, Failed: targets.Failed}}
		if diff := cmp.Diff(&targets, bundle.Status.Targets); diff != "" {
			return fmt.Errorf("targets (-want +got):\n%s", diff)
		}
		return nil
	})
}

// K4: the status counts the certificates of the bundle, of each source and those left
// out, names the certificate that expires first, and counts targets. It describes the
// current bundle, also while a newer one cannot be built and after a restart.
func TestInventory(t *testing.T) {
	o := startOperator(t)
	s := newScene(t)
	s.namespaces(2)
	end := time.Now().Add(48 * time.Hour).Truncate(time.Second)
	a, first, leaf, gone := newAuthority("A"), newAuthority("First", ca.ValidUntil(end)), newAuthority("Leaf", ca.NotCA), newAuthority("Gone")
	source := s.source(first, a, leaf, gone)
	missing := s.unique()
	absent := v1alpha1.BundleSource{Secret: &v1alpha1.SourceObject{Name: missing, Key: sourceKey, Optional: true}}
	bundle := s.bundle(slices.Concat(inLine(a), []v1alpha1.BundleSource{absent}, from(source)),
		filtering(v1alpha1.BundleFilters{NotCA: v1alpha1.FilterDrop}), excluding(gone))
	want := v1alpha1.BundleInventory{
		Certificates: 2,
		Sources: []v1alpha1.SourceInventory{
			{Field: "spec.sources[0].inLine", Certificates: 1}, {Field: "spec.sources[1].secret"}, {Field: "spec.sources[2].configMap", Certificates: 1},
		},
		Dropped:    v1alpha1.DroppedCertificates{Duplicate: 1, NotCA: 1},
		Excluded:   1,
		NextExpiry: &v1alpha1.CertificateExpiry{NotAfter: metav1.NewTime(end), Subject: "CN=First", SHA256: first.fingerprint()},
	}
	counts := v1alpha1.TargetCounts{Wanted: 2, Synced: 2}
	awaitInventory(t, bundle, want, counts)
	status, err := json.Marshal(bundle.Status)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range []authority{a, first} {
		wantNothingShown(t, "the status", string(status), one.Certificate)
	}

	fill(t, source)
	awaitCondition(t, bundle, v1alpha1.BundleReasonSourceBuildError, source.Name)
	awaitInventory(t, bundle, want, counts)
	stop(t, o)
	startOperator(t)
	awaitCondition(t, bundle, v1alpha1.BundleReasonSourceBuildError, "since the operator started")
	awaitInventory(t, bundle, want, counts)
}

// K4, C3: a foreign change of the inventory is reverted once, without repeated
// writes.
func TestTamperedInventoryIsRepaired(t *testing.T) { eachAPIKind(t, testTamperedInventoryIsRepaired) }

func testTamperedInventoryIsRepaired(t *testing.T, s *scene) {
	s.namespaces(1)
	ca := newAuthority("CA")
	bundle := s.bundle(inLine(ca))
	awaitSynced(t, bundle, 1)
	good, counts := *bundle.Status.Inventory, *bundle.Status.Targets
	patch := client.RawPatch("application/merge-patch+json", []byte(
		`{"status":{"inventory":{"certificates":9,"sources":null,"nextExpiry":{"subject":"CN=Theirs"}},"targets":{"failed":3}}}`))
	if err := api.Status().Patch(t.Context(), bundle.DeepCopy(), patch, client.FieldOwner("somebody")); err != nil {
		t.Fatal(err)
	}
	awaitInventory(t, bundle, good, counts)
	before := env.Audit.Mark()
	stays(t, 2500*time.Millisecond, "peace", func() error {
		wrote := requests(t, before, func(q rig.Request) bool {
			return q.IsWrite() && strings.HasPrefix(q.Resource, "bundles") && q.Name == bundle.Name
		})
		if len(wrote) > 0 {
			return fmt.Errorf("the operator wrote %v", wrote)
		}
		return nil
	})
}
