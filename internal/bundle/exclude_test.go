package bundle_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/test/framework/ca"
)

// fingerprintOf returns the SHA-256 of the certificate of a PEM text, as OpenSSL
// writes it.
func fingerprintOf(text string) string {
	block, _ := pem.Decode([]byte(text))
	sum := sha256.Sum256(block.Bytes)
	var parts []string
	for _, b := range sum {
		parts = append(parts, strings.ToUpper(hex.EncodeToString([]byte{b})))
	}
	return strings.Join(parts, ":")
}

// keyOf returns the SHA-256 of the certificate's SubjectPublicKeyInfo.
func keyOf(tb testing.TB, text string) string {
	tb.Helper()
	result, problem := certs.Parse(text, certs.Origin{})
	if problem != nil {
		tb.Fatal(problem)
	}
	sum := sha256.Sum256(result.Certificates[0].RawPublicKey)
	return hex.EncodeToString(sum[:])
}

// excluding converts exclusions from the API.
func excluding(tb testing.TB, list ...v1alpha1.Exclusion) []bundle.Exclusion {
	tb.Helper()
	spec, problems := apis.Bundle{}.Spec(&v1alpha1.Bundle{Spec: v1alpha1.BundleSpec{Exclude: list}})
	if len(problems) > 0 {
		tb.Fatal(problems)
	}
	return spec.Filter.Exclude
}

// K3: which certificates each kind of exclusion matches, and the notes.
func TestExclude(t *testing.T) {
	t.Parallel()
	// Roots share a key; the third certificate has another.
	text := ca.Roots(1, 2) + ca.Fixed(1).Issue(ca.Named("Intermediate"), ca.Intermediate).Certificate
	const x = `spec.sources.x: ConfigMap cert-manager/x, key "a", `
	cases := map[string]struct {
		exclude []v1alpha1.Exclusion
		want    []string
		notes   []string
	}{
		"by fingerprint": {
			[]v1alpha1.Exclusion{{SHA256: fingerprintOf(ca.Roots(1)), Comment: "stolen"}}, []string{"x/a/2", "x/a/3"},
			[]string{"1 certificate is excluded (" + x + "block 1)"},
		},
		"by fingerprint, in lower case and without colons": {
			[]v1alpha1.Exclusion{{SHA256: strings.ToLower(strings.ReplaceAll(fingerprintOf(ca.Roots(2)), ":", ""))}},
			[]string{"x/a/1", "x/a/3"}, []string{"1 certificate is excluded (" + x + "block 2)"},
		},
		"by public key": {
			[]v1alpha1.Exclusion{{PublicKeySHA256: keyOf(t, ca.Roots(1))}}, []string{"x/a/3"},
			[]string{"2 certificates are excluded (" + x + "block 1; " + x + "block 2)"},
		},
		"by subject": {
			[]v1alpha1.Exclusion{{Subject: "CN=Root 2"}}, []string{"x/a/1", "x/a/3"},
			[]string{"1 certificate is excluded (" + x + "block 2)"},
		},
		"a subject is exact": {
			[]v1alpha1.Exclusion{{Subject: "CN=root 2"}, {Subject: "Root 2"}, {Subject: "CN=Root"}}, []string{"x/a/1", "x/a/2", "x/a/3"},
			[]string{"spec.exclude[0], spec.exclude[1], spec.exclude[2] match no certificate in the sources and no retained certificate"},
		},
		"one that matches nothing is reported": {
			[]v1alpha1.Exclusion{{Subject: "CN=Intermediate"}, {SHA256: strings.Repeat("00", 32)}}, []string{"x/a/1", "x/a/2"},
			[]string{"spec.exclude[1] matches no certificate in the sources and no retained certificate", "1 certificate is excluded (" + x + "block 3)"},
		},
		"many that match nothing": {
			[]v1alpha1.Exclusion{{Subject: "a"}, {Subject: "b"}, {Subject: "c"}, {Subject: "d"}, {Subject: "e"}}, []string{"x/a/1", "x/a/2", "x/a/3"},
			[]string{"spec.exclude[0], spec.exclude[1], spec.exclude[2], and 2 more match no certificate in the sources and no retained certificate"},
		},
		"two entries for one certificate both match": {
			[]v1alpha1.Exclusion{{Subject: "CN=Root 1"}, {SHA256: fingerprintOf(ca.Roots(1))}}, []string{"x/a/2", "x/a/3"},
			[]string{"1 certificate is excluded (" + x + "block 1)"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := new(bundle.Builder).Build([]bundle.Input{source("x", text)}, bundle.Filter{Exclude: excluding(t, tc.exclude...)}, now)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, places(t, got)); diff != "" {
				t.Errorf("certificates (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.notes, got.Notes); diff != "" {
				t.Errorf("notes (-want +got):\n%s", diff)
			}
		})
	}
}

// K3: an exclusion takes precedence over all filters, but never leaves a bundle empty.
func TestExcludeGoesFirst(t *testing.T) {
	t.Parallel()
	inputs := []bundle.Input{source("x", ca.Roots(1))}
	rejected := bundle.Filter{Expired: bundle.Reject, Exclude: excluding(t, v1alpha1.Exclusion{Subject: "CN=Root 1"})}
	later := now.AddDate(30, 0, 0)
	got, err := new(bundle.Builder).Build(append(inputs, given(dated(1, later, true))), rejected, later)
	if err != nil || len(got.Certificates) != 1 {
		t.Errorf("%d certificates, error %v", len(got.Certificates), err)
	}
	got, err = new(bundle.Builder).Build(inputs, rejected, now)
	checkProblems(t, got, err, "SourceNotFound", "spec.exclude leaves no certificate, and an empty bundle is never written: "+
		`1 certificate is excluded (spec.sources.x: ConfigMap cert-manager/x, key "a", block 1)`)
}

// K3: the last good bundle without excluded certificates.
func TestWithout(t *testing.T) {
	t.Parallel()
	built, err := new(bundle.Builder).Build([]bundle.Input{source("x", ca.Roots(1, 2, 3))}, bundle.Filter{Expired: bundle.Drop}, now)
	if err != nil {
		t.Fatal(err)
	}
	stays := func(*certs.Certificate) bool { return false }
	rest, taken, _ := built.Without(excluding(t, v1alpha1.Exclusion{Subject: "CN=Root 2"}, v1alpha1.Exclusion{Subject: "CN=none"}), stays)
	if diff := cmp.Diff([]string{"x/a/1", "x/a/3"}, places(t, rest)); diff != "" || taken != 1 {
		t.Errorf("%d taken out; certificates (-want +got):\n%s", taken, diff)
	}
	if !rest.EarliestNotAfter.Equal(time.Date(2046, 1, 1, 0, 0, 0, 0, time.UTC)) || !rest.ValidUntil.IsZero() {
		t.Errorf("earliest %s, changes %s", rest.EarliestNotAfter, rest.ValidUntil)
	}
	if len(built.Certificates) != 3 {
		t.Errorf("the bundle itself has %d certificates now", len(built.Certificates))
	}
	if rest, taken, _ = built.Without(nil, stays); taken != 0 || len(rest.Certificates) != 3 {
		t.Errorf("nothing excluded: %d taken out, %d left", taken, len(rest.Certificates))
	}
}
