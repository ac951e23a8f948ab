package integration

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trust-manager.io/test/framework/ca"
)

// authority is a CA made for a test.
type authority struct {
	name string
	// certificate is the PEM block that a target should hold (T1).
	certificate string
	// key is its private key, in PEM.
	key string
}

// newAuthority makes a CA with this common name. Changes are made to what it is
// made of.
func newAuthority(name string, changes ...func(*x509.Certificate)) authority {
	made := ca.New(name, changes...)
	return authority{name: name, certificate: made.Certificate, key: made.Key}
}

// newLargeAuthority makes a CA whose certificate has so many bytes more than it
// needs, in an extension that nobody knows.
func newLargeAuthority(name string, padding int) authority {
	return newAuthority(name, ca.Padded(padding))
}

// notCA makes a certificate that is not a CA.
func notCA(c *x509.Certificate) { c.IsCA, c.KeyUsage = false, x509.KeyUsageDigitalSignature }

// expiring makes a certificate end at a time, to the second.
func expiring(at time.Time) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.NotAfter = at }
}

// der gives the certificate itself.
func (a authority) der() []byte {
	block, _ := pem.Decode([]byte(a.certificate))
	return block.Bytes
}

// authorities makes CAs with these names.
func authorities(names ...string) []authority {
	var list []authority
	for _, name := range names {
		list = append(list, newAuthority(name))
	}
	return list
}

// pemOf gives what a target should hold (S1, T1).
func pemOf(list ...authority) string {
	var text strings.Builder
	for _, one := range list {
		text.WriteString(one.certificate)
	}
	return text.String()
}

// comparePEM says how a target's text differs from what it should hold: byte for
// byte, and in terms of names where that explains it.
func comparePEM(got string, want []authority) error {
	if got == pemOf(want...) {
		return nil
	}
	var names []string
	for _, one := range want {
		names = append(names, one.name)
	}
	if diff := cmp.Diff(names, commonNames(got)); diff != "" {
		return fmt.Errorf("the certificates in it (-want +got):\n%s", diff)
	}
	return fmt.Errorf("the names of its certificates are right, %q, but not the text: %q", names, got)
}

// commonNames gives the names of the certificates in a text, leniently.
func commonNames(text string) []string {
	var names []string
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return names
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			names = append(names, "?"+err.Error())
			continue
		}
		names = append(names, certificate.Subject.CommonName)
	}
}

func TestComparePEM(t *testing.T) {
	list := authorities("a", "b")
	if err := comparePEM(pemOf(list...), list); err != nil {
		t.Errorf("the right text: %v", err)
	}
	for name, text := range map[string]string{
		"other order":    list[1].certificate + list[0].certificate,
		"one missing":    list[0].certificate,
		"a comment":      "# a\n" + pemOf(list...),
		"no line at end": strings.TrimSpace(pemOf(list...)),
	} {
		if comparePEM(text, list) == nil {
			t.Errorf("%s: no difference found", name)
		}
	}
}
