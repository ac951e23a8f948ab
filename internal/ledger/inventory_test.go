package ledger_test

import (
	"crypto/sha256"
	"encoding/asn1"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/ledger"
)

// made is a made-up certificate with this common name.
func made(tb testing.TB, number int, name string, notAfter time.Time) certs.Certificate {
	tb.Helper()
	type attribute struct {
		Type  asn1.ObjectIdentifier
		Value string `asn1:"utf8"`
	}
	type relativeSET []attribute
	value, err := asn1.Marshal([]relativeSET{{{asn1.ObjectIdentifier{2, 5, 4, 3}, name}}})
	if err != nil {
		tb.Fatal(err)
	}
	der := binary.BigEndian.AppendUint32(nil, uint32(number))
	return certs.Certificate{DER: der, Fingerprint: sha256.Sum256(der), CA: true, NotAfter: notAfter, RawSubject: value}
}

// contentOf builds the certificates of sources, by their fields.
func contentOf(tb testing.TB, filter bundle.Filter, sources ...[]certs.Certificate) ledger.Content {
	tb.Helper()
	var (
		spec   bundle.Spec
		inputs []bundle.Input
	)
	for i, certificates := range sources {
		field := fmt.Sprintf("spec.sources[%d].configMap", i)
		spec.Sources = append(spec.Sources, bundle.Source{Field: field})
		if certificates != nil {
			inputs = append(inputs, bundle.Input{Origin: certs.Origin{Field: field}, Texts: []bundle.Text{{Parsed: &certs.Result{Certificates: certificates}}}})
		}
	}
	built, err := new(bundle.Builder).Build(inputs, filter, start)
	if err != nil {
		tb.Fatal(err)
	}
	return ledger.NewContent(spec, built)
}

// K4: what the status says of a bundle.
func TestInventory(t *testing.T) {
	t.Parallel()
	later := start.Add(time.Hour)
	a, b, old := made(t, 1, "A", later.Add(time.Hour)), made(t, 2, "B", later), made(t, 3, "Old", start.Add(-1))
	leaf := made(t, 4, "Leaf", later)
	leaf.CA = false
	gone := made(t, 5, "Gone", later)
	filter := bundle.Filter{Expired: bundle.Drop, NonCA: bundle.Drop, Exclude: []bundle.Exclusion{{Subject: "CN=Gone"}}}
	got := contentOf(t, filter, []certs.Certificate{a, old, gone}, nil, []certs.Certificate{b, leaf, a, gone})
	want := &v1alpha1.BundleInventory{
		Certificates: 2,
		Sources: []v1alpha1.SourceInventory{
			{Field: "spec.sources[0].configMap", Certificates: 1}, {Field: "spec.sources[1].configMap"}, {Field: "spec.sources[2].configMap", Certificates: 1},
		},
		Dropped:    v1alpha1.DroppedCertificates{Duplicate: 2, Expired: 1, NotCA: 1},
		Excluded:   1,
		NextExpiry: &v1alpha1.CertificateExpiry{NotAfter: metav1.NewTime(later), Subject: "CN=B", SHA256: b.SHA256()},
	}
	if diff := cmp.Diff(want, got.Inventory); diff != "" {
		t.Errorf("inventory (-want +got):\n%s", diff)
	}
	if got.Certificates != 2 || !got.EarliestNotAfter.Equal(later) || !got.Changes.Equal(later) {
		t.Errorf("content %+v", got)
	}
}

// maxStatus is how large a status may be, in bytes of JSON.
const maxStatus = 32 << 10

// K4: the status is bounded whatever the bundle holds: 1,000 certificates from 100
// sources, with subjects that are long and take much room in JSON.
func TestStatusSize(t *testing.T) {
	t.Parallel()
	for name, subject := range map[string]string{"short": "Root", "long": strings.Repeat("ü", 5000), "control characters": strings.Repeat("\x01", 5000)} {
		var sources [][]certs.Certificate
		for i := range 100 {
			var list []certs.Certificate
			for j := range 10 {
				list = append(list, made(t, 10*i+j, fmt.Sprintf("%s %d", subject, 10*i+j), start.Add(time.Duration(j)*time.Hour)))
			}
			sources = append(sources, list)
		}
		content := contentOf(t, bundle.Filter{}, sources...)
		summary := ledger.Summary{
			Attempt: ledger.Attempt{Content: content}, Content: content, Built: true,
			Wanted: 10_000, Synced: 10_000, Namespaces: 10_000,
		}
		condition, _, _ := summary.Condition(start)
		status := v1alpha1.BundleStatus{Conditions: []metav1.Condition{condition}, Inventory: content.Inventory, Targets: summary.Targets()}
		encoded, err := json.Marshal(status)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes", name, len(encoded))
		if len(encoded) > maxStatus {
			t.Errorf("%s: the status has %d bytes, want at most %d", name, len(encoded), maxStatus)
		}
		if content.Inventory.Certificates != 1000 || len(content.Inventory.Sources) != 100 {
			t.Errorf("%s: %d certificates of %d sources", name, content.Inventory.Certificates, len(content.Inventory.Sources))
		}
	}
}
