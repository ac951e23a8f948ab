package ca

import (
	"crypto/x509"
	"testing"
)

// A certificate that a CA issues is valid only for its hosts, and only for clients that
// trust this CA.
func TestIssue(t *testing.T) {
	t.Parallel()
	issuer, other := New("Root"), New("Root")
	server := issuer.Issue(ForHosts("server.example", "127.0.0.1"))
	if _, err := server.TLS(); err != nil {
		t.Error(err)
	}
	for name, tc := range map[string]struct {
		issuer CA
		host   string
		valid  bool
	}{
		"a name":          {issuer, "server.example", true},
		"an address":      {issuer, "127.0.0.1", true},
		"another name":    {issuer, "other.example", false},
		"another address": {issuer, "127.0.0.2", false},
		"another CA":      {other, "server.example", false},
	} {
		roots := x509.NewCertPool()
		roots.AddCert(tc.issuer.X509())
		if _, err := server.X509().Verify(x509.VerifyOptions{Roots: roots, DNSName: tc.host}); (err == nil) != tc.valid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An intermediate can issue certificates too.
func TestIntermediate(t *testing.T) {
	t.Parallel()
	root := New("Root")
	intermediate := CA{root.Issue(Named("Intermediate"), Intermediate)}
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(root.X509())
	intermediates.AddCert(intermediate.X509())
	options := x509.VerifyOptions{Roots: roots, Intermediates: intermediates, DNSName: "server.example"}
	if _, err := intermediate.Issue(ForHosts("server.example")).X509().Verify(options); err != nil {
		t.Error(err)
	}
}

// The bytes of a fixed CA depend only on its number, and those of a new one on nothing.
func TestFixed(t *testing.T) {
	t.Parallel()
	first, second, again := Fixed(1), Fixed(2), Fixed(1)
	if first != again || first == second {
		t.Error("the CA 1 differs between two calls, or is the same as 2")
	}
	if Roots(1, 2) != first.Certificate+second.Certificate {
		t.Error("Roots does not return the certificates of the CAs 1 and 2")
	}
	one, other := New("a"), New("a")
	if one == other {
		t.Error("two new CAs are the same")
	}
}
