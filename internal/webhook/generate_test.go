package webhook

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trust-manager.io/api/trust/v1alpha1"
)

// now is the time of all tests that do not need the real time.
var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// secretName is in every certificate, and must not be in a response.
const secretName = "Very Secret Name"

// certificate describes a certificate. The zero value is a root that is valid for a long
// time.
type certificate struct {
	leaf, intermediate bool
	// left is its remaining validity, from now.
	left time.Duration
}

func (c certificate) pem(tb testing.TB) string {
	tb.Helper()
	if c.left == 0 {
		c.left = 10 * 365 * 24 * time.Hour
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: secretName},
		NotBefore:             now.AddDate(-10, 0, 0),
		NotAfter:              now.Add(c.left),
		IsCA:                  !c.leaf,
		BasicConstraintsValid: true,
	}
	issuer := template
	if c.leaf || c.intermediate {
		issuer = &x509.Certificate{Subject: pkix.Name{CommonName: secretName + " of the issuer"}}
	}
	key := newKey(tb)
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	return pemOf(der, "CERTIFICATE")
}

func pemOf(der []byte, blockType string) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: blockType, Bytes: der}))
}

func newKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func root(tb testing.TB) string { tb.Helper(); return certificate{}.pem(tb) }

// pair is a certificate and its key, for a server on 127.0.0.1.
type pair struct{ certificate, key string }

func newPair(tb testing.TB) pair {
	tb.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		tb.Fatal(err)
	}
	key := newKey(tb)
	template := &x509.Certificate{
		SerialNumber: serial,
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatal(err)
	}
	return pair{pemOf(der, "CERTIFICATE"), pemOf(keyDER, "PRIVATE KEY")}
}

// write writes the pair to a directory atomically, as the kubelet does: a reader finds the
// old files or the new ones, and never a partial file.
func (p pair) write(tb testing.TB, folder string) {
	tb.Helper()
	version, err := os.MkdirTemp(folder, "..version-")
	if err != nil {
		tb.Fatal(err)
	}
	for name, text := range map[string]string{CertificateFile: p.certificate, KeyFile: p.key} {
		if err := os.WriteFile(filepath.Join(version, name), []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	link := func(to, name string) {
		temporary := version + ".link"
		if err := errors.Join(os.Symlink(to, temporary), os.Rename(temporary, filepath.Join(folder, name))); err != nil {
			tb.Fatal(err)
		}
	}
	link(filepath.Base(version), "..data")
	for _, name := range []string{KeyFile, CertificateFile} { // the file that is read first comes last
		link(filepath.Join("..data", name), name)
	}
}

// isServedIn reports whether a server presented this certificate.
func (p pair) isServedIn(state tls.ConnectionState) bool {
	return pemOf(state.PeerCertificates[0].Raw, "CERTIFICATE") == p.certificate
}

// bundleOf returns a Bundle with a source, a ConfigMap target and the given changes.
func bundleOf(text string, changes ...func(*v1alpha1.BundleSpec)) *v1alpha1.Bundle {
	b := &v1alpha1.Bundle{}
	b.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(v1alpha1.BundleKind))
	b.Name = "example"
	b.Spec.Sources = []v1alpha1.BundleSource{{InLine: &text}}
	b.Spec.Target = &v1alpha1.BundleTarget{ConfigMap: &v1alpha1.TargetObject{Key: "ca.pem"}}
	for _, change := range changes {
		change(&b.Spec)
	}
	return b
}

func wantNoSecrets(tb testing.TB, text string) {
	tb.Helper()
	if strings.Contains(text, secretName) {
		tb.Errorf("the text contains data from a certificate: %s", text)
	}
}
