package integration

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trust-manager.io/test/framework/ca"
)

// authority is a CA with the name that test failures show.
type authority struct {
	name string
	ca.CA
}

// newAuthority returns a new CA with this common name.
func newAuthority(name string, changes ...func(*x509.Certificate)) authority {
	return authority{name: name, CA: ca.New(name, changes...)}
}

// authorityOf returns an authority with only a PEM text.
func authorityOf(name, text string) authority {
	return authority{name: name, CA: ca.CA{Pair: ca.Pair{Certificate: text}}}
}

// newLargeAuthority returns a new CA whose certificate has this many bytes of padding.
func newLargeAuthority(name string, padding int) authority {
	return newAuthority(name, ca.Padded(padding))
}

// authorities returns new CAs with these names.
func authorities(names ...string) []authority {
	var list []authority
	for _, name := range names {
		list = append(list, newAuthority(name))
	}
	return list
}

// pemOf returns the text of a target with these CAs (S1, T1).
func pemOf(list ...authority) string {
	var text strings.Builder
	for _, one := range list {
		text.WriteString(one.Certificate)
	}
	return text.String()
}

// comparePEM returns how a target's text differs from its desired content: byte for
// byte, and by names where possible.
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

// commonNames returns the names of the certificates in a text. It ignores invalid
// blocks.
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
		"other order":    list[1].Certificate + list[0].Certificate,
		"one missing":    list[0].Certificate,
		"a comment":      "# a\n" + pemOf(list...),
		"no line at end": strings.TrimSpace(pemOf(list...)),
	} {
		if comparePEM(text, list) == nil {
			t.Errorf("%s: no difference found", name)
		}
	}
}
