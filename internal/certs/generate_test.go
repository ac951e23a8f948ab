package certs_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"testing"
	"time"

	"trust-manager.io/internal/certs"
)

// certificate returns the DER of a self-signed CA certificate. Key, dates and
// signature are fixed, so a serial number has the same bytes in every run.
func certificate(tb testing.TB, serial int64, changes ...func(*x509.Certificate)) []byte {
	tb.Helper()
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(serial),
		Subject:               pkix.Name{CommonName: "Test Root"},
		NotBefore:             time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:              time.Date(2046, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA:                  true,
		BasicConstraintsValid: true,
		SubjectKeyId:          []byte{1, 2, 3, 4},
	}
	for _, change := range changes {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	return der
}

// block returns DER as the PEM text that most tools write.
func block(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

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
