package bundle_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
)

// dated returns a fake certificate with this NotAfter, a CA or not.
func dated(fingerprint byte, notAfter time.Time, ca bool) certs.Certificate {
	return certs.Certificate{
		DER: []byte{fingerprint}, Fingerprint: [32]byte{fingerprint}, NotAfter: notAfter, CA: ca,
		Origin: certs.Origin{Field: "f", Block: int(fingerprint)},
	}
}

// given returns a source of fake certificates.
func given(certificates ...certs.Certificate) bundle.Input {
	return bundle.Input{Texts: []bundle.Text{{Parsed: &certs.Result{Certificates: certificates}}}}
}

// S12: what the filters leave out, and the notes on it.
func TestFilter(t *testing.T) {
	t.Parallel()
	later := now.Add(time.Hour)
	inputs := []bundle.Input{given(
		dated(1, later, true), dated(2, now.Add(-1), true), dated(3, now, true), dated(4, later.Add(1), false), dated(5, now.Add(-1), false),
		dated(2, now.Add(-1), true), // a duplicate is reported once
	)}
	cases := map[string]struct {
		filter   bundle.Filter
		blocks   []int
		notes    []string
		earliest time.Time
	}{
		"none": {bundle.Filter{}, []int{1, 2, 3, 4, 5}, nil, now.Add(-1)},
		"expired": {
			bundle.Filter{Expired: bundle.Drop}, []int{1, 3, 4},
			[]string{"2 expired certificates are left out (f: block 2; f: block 5)"}, now,
		},
		"not a CA": {
			bundle.Filter{NonCA: bundle.Drop}, []int{1, 2, 3},
			[]string{"2 certificates that are not a CA are left out (f: block 4; f: block 5)"}, now.Add(-1),
		},
		"both": {
			bundle.Filter{Expired: bundle.Drop, NonCA: bundle.Drop}, []int{1, 3},
			[]string{
				"2 expired certificates are left out (f: block 2; f: block 5)",
				"1 certificate that is not a CA is left out (f: block 4)",
			}, now,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var builder bundle.Builder
			got, err := builder.Build(inputs, tc.filter, now)
			if err != nil {
				t.Fatal(err)
			}
			var blocks []int
			for _, certificate := range got.Certificates {
				blocks = append(blocks, certificate.Origin.Block)
			}
			if diff := cmp.Diff(tc.blocks, blocks); diff != "" {
				t.Errorf("certificates (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.notes, got.Notes); diff != "" {
				t.Errorf("notes (-want +got):\n%s", diff)
			}
			if !got.EarliestNotAfter.Equal(tc.earliest) {
				t.Errorf("the first expires at %s, want %s", got.EarliestNotAfter, tc.earliest)
			}
		})
	}
}

// S12: a note names a few of the certificates and precedes other notes, since a status
// shows only the first few.
func TestFilterNote(t *testing.T) {
	t.Parallel()
	input := given(dated(1, now.Add(1), true), dated(2, now.Add(-1), true), dated(3, now.Add(-1), true), dated(4, now.Add(-1), true), dated(5, now.Add(-1), true))
	input.Note = "another note"
	var builder bundle.Builder
	got, err := builder.Build([]bundle.Input{input}, bundle.Filter{Expired: bundle.Drop}, now)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"4 expired certificates are left out (f: block 2; f: block 3; f: block 4; …)", "another note"}
	if diff := cmp.Diff(want, got.Notes); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
}

// S8, S9: filters do not make a source count as empty; a bundle that they leave empty is
// rejected with a different message than a missing source.
func TestFilterLeavesNothing(t *testing.T) {
	t.Parallel()
	var builder bundle.Builder
	filter := bundle.Filter{Expired: bundle.Drop}
	expired := given(dated(1, now.Add(-1), true))
	got, err := builder.Build([]bundle.Input{expired}, filter, now)
	checkProblems(t, got, err, "SourceNotFound",
		"the filters leave no certificate, and an empty bundle is never written: 1 expired certificate is left out (f: block 1)")
	if _, err := builder.Build([]bundle.Input{expired, given(dated(2, now.Add(1), true))}, filter, now); err != nil {
		t.Errorf("a source of expired certificates beside a good one: %v", err)
	}
	_, err = builder.Build([]bundle.Input{given(), given(dated(2, now.Add(1), true))}, filter, now)
	if err == nil || !strings.Contains(err.Error(), "no certificate found") {
		t.Errorf("a source that is empty before the filter: %v", err)
	}
}
