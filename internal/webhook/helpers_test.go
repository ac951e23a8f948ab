package webhook

import (
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/ca"
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

func (c certificate) pem() string {
	if c.left == 0 {
		c.left = 10 * 365 * 24 * time.Hour
	}
	changes := []func(*x509.Certificate){ca.Valid(now.AddDate(-10, 0, 0), now.Add(c.left))}
	if c.leaf {
		changes = append(changes, ca.NotCA)
	}
	if c.leaf || c.intermediate {
		changes = append(changes, ca.IssuedBy(secretName+" of the issuer"))
	}
	return ca.New(secretName, changes...).Certificate
}

func root() string { return certificate{}.pem() }

// newPair returns the certificate and key of a server on 127.0.0.1.
func newPair() ca.Pair { return ca.New("webhook").Issue(ca.ForHosts("127.0.0.1")) }

// write writes a pair to a directory atomically, as the kubelet does: a reader finds the
// old files or the new ones, and never a partial file.
func write(tb testing.TB, pair ca.Pair, folder string) {
	tb.Helper()
	version, err := os.MkdirTemp(folder, "..version-")
	if err != nil {
		tb.Fatal(err)
	}
	for name, text := range map[string]string{CertificateFile: pair.Certificate, KeyFile: pair.Key} {
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
