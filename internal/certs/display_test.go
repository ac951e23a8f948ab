package certs_test

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"trust-manager.io/internal/certs"
	"trust-manager.io/test/framework/ca"
)

// commonName returns the DER of a Name.
func commonName(tb testing.TB, name string) []byte {
	tb.Helper()
	der, err := asn1.Marshal(pkix.Name{CommonName: name}.ToRDNSequence())
	if err != nil {
		tb.Fatal(err)
	}
	return der
}

// K4: a long subject is truncated, and a short one is shown in full.
func TestDisplaySubject(t *testing.T) {
	t.Parallel()
	for name, count := range map[string]int{"at the limit": certs.MaxDisplay - len("CN="), "one more": certs.MaxDisplay - len("CN=") + 1, "far more": 5000} {
		certificate := certs.Certificate{RawSubject: commonName(t, strings.Repeat("ü", count))}
		whole, shown := certificate.Subject(), certificate.DisplaySubject()
		if utf8.RuneCountInString(whole) != count+len("CN=") {
			t.Errorf("%s: the subject has %d characters", name, utf8.RuneCountInString(whole))
		}
		want := whole
		if count+len("CN=") > certs.MaxDisplay {
			want = string([]rune(whole)[:certs.MaxDisplay-1]) + "…"
		}
		if shown != want || utf8.RuneCountInString(shown) > certs.MaxDisplay {
			t.Errorf("%s: shown as %q", name, shown)
		}
	}
	if got := (&certs.Certificate{RawSubject: commonName(t, "a\x01\u202eb")}).DisplaySubject(); got != "CN=a b" {
		t.Errorf("a subject with control and format characters is shown as %q", got)
	}
	if got := (&certs.Certificate{RawSubject: []byte{1, 2}}).Subject(); got != "#0102" {
		t.Errorf("what is no Name is shown as %q", got)
	}
}

// K2: a root is self-signed; a certificate that merely repeats its issuer's name is not,
// and neither is one that does not parse.
func TestSelfSigned(t *testing.T) {
	t.Parallel()
	result, problem := certs.Parse(ecACC(t)+ca.Fixed(1).Certificate, origin)
	if problem != nil {
		t.Fatal(problem)
	}
	root := result.Certificates[0]
	if !root.SelfSigned() {
		t.Error("a root is not")
	}
	other := root
	other.SelfIssued = false
	if other.SelfSigned() {
		t.Error("what has another issuer is")
	}
	damaged := root
	damaged.DER = append([]byte(nil), root.DER...)
	damaged.DER[len(damaged.DER)-1] ^= 1
	if damaged.SelfSigned() {
		t.Error("what has another signature is")
	}
	for _, file := range []string{"ed448-root.pem", "rsa768-root.pem", "rsa-exponent-root.pem"} {
		if unverifiable := parsedFile(t, file); unverifiable.Nonconforming != "" || !unverifiable.SelfSigned() {
			t.Errorf("S14: a root whose signature Go does not verify is not (%s)", file)
		}
	}
	damaged.DER = nil
	if damaged.SelfSigned() {
		t.Error("a certificate that does not parse is self-signed")
	}
}

// S14: a root of version 1 has no basic constraints, and is a CA.
func TestOldRoots(t *testing.T) {
	t.Parallel()
	if old := parsedFile(t, "v1-root.pem"); !old.CA || !old.SelfIssued || !old.SelfSigned() {
		t.Errorf("CA %t, self-issued %t, self-signed %t", old.CA, old.SelfIssued, old.SelfSigned())
	}
}

// parsedFile returns the certificate in a file of testdata.
func parsedFile(tb testing.TB, name string) certs.Certificate {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	result, problem := certs.Parse(string(text), origin)
	if problem != nil {
		tb.Fatal(problem)
	}
	return result.Certificates[0]
}
