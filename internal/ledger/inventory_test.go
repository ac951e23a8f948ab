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

	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/ledger"
	"trust-manager.io/internal/target"
)

// made returns a fake certificate with this common name.
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

// contentOf returns the content of a bundle of these sources, by their fields.
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
	return ledger.NewContent(spec, built, "")
}

// K4: the inventory of a bundle.
func TestInventory(t *testing.T) {
	t.Parallel()
	later := start.Add(time.Hour)
	a, b, old := made(t, 1, "A", later.Add(time.Hour)), made(t, 2, "B", later), made(t, 3, "Old", start.Add(-1))
	leaf := made(t, 4, "Leaf", later)
	leaf.CA = false
	gone := made(t, 5, "Gone", later)
	a.Nonconforming = "odd"
	filter := bundle.Filter{Expired: bundle.Drop, NonCA: bundle.Drop, Nonconforming: bundle.Keep, Exclude: []bundle.Exclusion{{Subject: "CN=Gone"}}}
	got := contentOf(t, filter, []certs.Certificate{a, old, gone}, nil, []certs.Certificate{b, leaf, a, gone})
	want := &ledger.Inventory{
		Certificates: 2,
		Sources: []ledger.SourceCount{
			{Field: "spec.sources[0].configMap", Certificates: 1}, {Field: "spec.sources[1].configMap"}, {Field: "spec.sources[2].configMap", Certificates: 1},
		},
		Duplicate: 2, Expired: 1, NotCA: 1, Excluded: 1, NonconformingKept: 1,
		NextExpiry: &ledger.CertificateTime{Time: metav1.NewTime(later), Subject: "CN=B", SHA256: b.SHA256()},
	}
	if diff := cmp.Diff(want, got.Inventory); diff != "" {
		t.Errorf("inventory (-want +got):\n%s", diff)
	}
	if got.Certificates != 2 || !got.EarliestNotAfter.Equal(later) || !got.ValidUntil.Equal(later) {
		t.Errorf("content %+v", got)
	}
}

// maxStatus is the maximum size of a status, in bytes of JSON.
const maxStatus = 32 << 10

// worst returns the summary of a bundle of 1,000 certificates from 100 sources, with the
// maximum number retained, all of them expiring. If failing is set, its targets fail too.
func worst(tb testing.TB, subject string, failing bool) ledger.Summary {
	tb.Helper()
	var inputs []bundle.Input
	spec := bundle.Spec{Rotation: bundle.Rotation{Retain: 1000 * time.Hour, Max: 100}}
	number := 0
	next := func() certs.Certificate {
		number++
		return made(tb, number, fmt.Sprintf("%s %d", subject, number), start.Add(time.Duration(number)*time.Minute))
	}
	var before bundle.State
	for range 100 {
		before.Retained = append(before.Retained, bundle.Retained{Certificate: next(), Left: start})
	}
	for i := range 100 {
		field := fmt.Sprintf("spec.sources[%d].configMap", i)
		spec.Sources = append(spec.Sources, bundle.Source{Field: field})
		var list []certs.Certificate
		for range 9 {
			list = append(list, next())
		}
		inputs = append(inputs, bundle.Input{Origin: certs.Origin{Field: field}, Texts: []bundle.Text{{Parsed: &certs.Result{Certificates: list}}}})
	}
	built, _, err := new(bundle.Builder).BuildRetaining(inputs, bundle.Filter{}, spec.Rotation, before, start)
	if err != nil {
		tb.Fatal(err)
	}
	content := ledger.NewContent(spec, built, "")
	summary := ledger.Summary{
		Attempt: ledger.Attempt{Content: content, Notes: built.Notes, DefaultCAVersion: strings.Repeat("v", 253)},
		Content: content, Built: true, Wanted: 10_000, Synced: 10_000, Namespaces: 10_000,
	}
	if failing {
		summary.Attempt.Reason, summary.Attempt.Message = "RotationStateFailed", strings.Repeat(subject, 100)
		summary.Synced, summary.Failed = 0, 10_000
		for range 3 {
			place := target.Ref{Kind: bundle.ConfigMap, Namespace: strings.Repeat("n", 63)}
			summary.Failures = append(summary.Failures, ledger.Failure{Target: place, Cause: strings.Repeat(subject, 300)})
		}
	}
	return summary
}

// K4: the size of the status is bounded for any bundle: 1,000 certificates from 100
// sources, 100 of them retained, with subjects that are long and expand in JSON, expiring
// soon, while nothing can be built and targets fail.
func TestStatusSize(t *testing.T) {
	t.Parallel()
	for name, subject := range map[string]string{"short": "Root", "long": strings.Repeat("ü", 5000), "control characters": strings.Repeat("\x01", 5000)} {
		for _, failing := range []bool{false, true} {
			summary := worst(t, subject, failing)
			conditions, _, _ := summary.Conditions(nil, start)
			expiring := summary.Expiring(nil, start)
			status := apis.Bundle{}.Status(ledger.Report{
				Conditions: append(conditions, *expiring), DefaultCAVersion: summary.Attempt.DefaultCAVersion,
				Inventory: summary.Inventory, Targets: summary.Targets(),
			})
			encoded, err := json.Marshal(status)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s, failing %t: %d bytes", name, failing, len(encoded))
			if len(encoded) > maxStatus {
				t.Errorf("%s, failing %t: the status has %d bytes, want at most %d", name, failing, len(encoded), maxStatus)
			}
			if made := summary.Inventory; made.Certificates != 1000 || len(made.Sources) != 100 || made.RetainedCount != 100 || len(made.Retained) != 20 {
				t.Errorf("%s: %d certificates of %d sources, %d retained and %d reported", name, made.Certificates, len(made.Sources), made.RetainedCount, len(made.Retained))
			}
		}
	}
}
