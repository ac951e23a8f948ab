package bundle_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
)

// now is a time at which the certificates of root are valid.
var now = time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)

// root returns a self-signed CA certificate as PEM text. Key and dates are fixed, so a
// number has the same text in every run.
func root(tb testing.TB, number int64) string {
	tb.Helper()
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(number),
		Subject:               pkix.Name{CommonName: fmt.Sprintf("Root %d", number)},
		NotBefore:             time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:              time.Date(2046, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// roots returns the text of several certificates, in the order of the numbers.
func roots(tb testing.TB, numbers ...int64) string {
	tb.Helper()
	var text strings.Builder
	for _, number := range numbers {
		text.WriteString(root(tb, number))
	}
	return text.String()
}

// ecACC returns the text of the one root that is skipped (S6).
func ecACC(tb testing.TB) string {
	tb.Helper()
	text, err := os.ReadFile("../certs/testdata/ec-acc.pem")
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

// source returns the input of the ConfigMap of that name, with texts under the keys a,
// b, c and so on.
func source(name string, texts ...string) bundle.Input {
	input := bundle.Input{Origin: certs.Origin{
		Field:  "spec.sources." + name,
		Object: "ConfigMap cert-manager/" + name,
	}}
	for i, text := range texts {
		input.Texts = append(input.Texts, bundle.Text{Key: string(rune('a' + i)), PEM: text})
	}
	return input
}

// failed returns the input of a source that could not be read.
func failed(name string, reason certs.Reason) bundle.Input {
	input := source(name)
	input.Problem = &certs.Problem{Origin: input.Origin, Reason: reason, Detail: "it could not be read"}
	return input
}

// places returns the origin of each certificate, as "name/key/block".
func places(tb testing.TB, b bundle.Bundle) []string {
	tb.Helper()
	var list []string
	for _, certificate := range b.Certificates {
		origin := certificate.Origin
		name := strings.TrimPrefix(origin.Object, "ConfigMap cert-manager/")
		list = append(list, fmt.Sprintf("%s/%s/%d", name, origin.Key, origin.Block))
	}
	return list
}
