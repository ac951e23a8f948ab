package certs_test

import (
	"crypto/sha256"
	"crypto/x509"
	"os"
	"testing"

	"trust-manager.io/internal/certs"
)

// numbered returns the expected result of Parse for certificates in the blocks 1, 2, 3
// and so on.
func numbered(tb testing.TB, origin certs.Origin, ders ...[]byte) []certs.Certificate {
	tb.Helper()
	var list []certs.Certificate
	for i, der := range ders {
		origin.Block = i + 1
		if der == nil {
			list = append(list, certs.Certificate{Origin: origin}) // a skipped block
			continue
		}
		parsed, err := x509.ParseCertificate(der)
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, certs.Certificate{
			DER: der, Fingerprint: sha256.Sum256(der), Origin: origin,
			NotAfter: parsed.NotAfter, CA: parsed.IsCA, SelfIssued: parsed.Issuer.String() == parsed.Subject.String(),
			RawSubject: parsed.RawSubject, RawPublicKey: parsed.RawSubjectPublicKeyInfo,
		})
	}
	return list
}

// ecACC returns the text of the old EC-ACC root.
func ecACC(tb testing.TB) string {
	tb.Helper()
	text, err := os.ReadFile("testdata/ec-acc.pem")
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}
