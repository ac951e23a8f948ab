package verify_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"trust-manager.io/internal/verify"
	"trust-manager.io/test/framework/ca"
)

// L5: the verdict about a chain does not depend on the server that presents it.
func TestChains(t *testing.T) {
	t.Parallel()
	for title, tc := range serverCases() {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			tc.want.check(t, tc.verify(ders(tc.chain...)))
		})
	}
}

// L5: faults that a server does not present, or that crypto/tls does not let through.
func TestOddChains(t *testing.T) {
	t.Parallel()
	root := ca.New("Root")
	middle := intermediate(root, "Middle")
	server := leaf(middle)
	damaged := server.DER()
	damaged[len(damaged)-1] ^= 1
	critical := leaf(root, func(template *x509.Certificate) {
		template.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 999, 2}, Critical: true, Value: []byte{5, 0}}}
	})
	stale := ca.New("Stale", past, func(template *x509.Certificate) { template.ExcludedDNSDomains = []string{host} })
	recoded := intermediate(root, "Middle")
	for title, tc := range map[string]struct {
		in   verify.Input
		want wish
	}{
		"NoCertificate": {verify.Input{}, wish{cause: verify.NoCertificate}},
		"Unreadable":    {verify.Input{Unreadable: errors.New("x509: \x1b[1mbad")}, wish{cause: verify.Malformed, says: []string{"x509:  [1mbad"}}},
		"Malformed": {
			verify.Input{Chain: [][]byte{server.DER(), []byte("junk")}, Trusted: trust(root.Certificate, middle.Certificate)},
			wish{cause: verify.Malformed, says: []string{"certificate 2"}},
		},
		"InvalidSignature": {
			verify.Input{Chain: [][]byte{damaged, middle.DER()}, Trusted: trust(root.Certificate)},
			wish{cause: verify.InvalidSignature, missing: []string{"CN=Middle"}, says: []string{`"CN=leaf" names "CN=Middle"`}, forgot: ""},
		},
		"CriticalExtension": {
			verify.Input{Chain: ders(critical), Trusted: trust(root.Certificate)},
			wish{cause: verify.CriticalExtension, says: []string{"2.999.2"}},
		},
		"ShortKey": {
			verify.Input{Chain: [][]byte{shortKey(root)}, Trusted: trust(root.Certificate)},
			wish{cause: verify.WeakKey, says: []string{"512 bits"}},
		},
		"ExpiredConstrainedRoot": {
			verify.Input{Chain: ders(leaf(stale, past)), Trusted: trust(stale.Certificate)},
			wish{cause: verify.Expired, also: []verify.Cause{verify.Expired, verify.NameConstraints}, missing: []string{"CN=Stale"}, role: verify.Root},
		},
		"NameEncoding": {
			verify.Input{Chain: ders(leaf(recoded)), Trusted: trust(reencoded(root, recoded))},
			wish{cause: verify.NameEncoding, missing: []string{"CN=Middle"}, known: "block 1", says: []string{"encoded differently"}},
		},
		"Handshake": {
			verify.Input{Chain: ders(server, middle.Pair), Trusted: trust(root.Certificate), Handshake: errors.New("tls: invalid signature \x1b")},
			wish{cause: verify.Handshake, says: []string{"has not proven that it holds the private key: tls: invalid signature  ;"}},
		},
		"HandshakeOfUnknownCA": {
			verify.Input{Chain: ders(server, middle.Pair), Handshake: errors.New("tls: invalid signature")},
			wish{cause: verify.UnknownAuthority, also: []verify.Cause{verify.Handshake}, missing: []string{"CN=Root"}},
		},
		"NoName": {verify.Input{Chain: ders(server, middle.Pair), Trusted: trust(root.Certificate)}, wish{}},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			tc.in.Time = time.Now()
			tc.want.check(t, verify.Verify(tc.in))
		})
	}
}

// shortKey returns a certificate with an RSA key of 512 bits. No one needs its private key.
func shortKey(issuer ca.CA) []byte {
	key, err := issuer.TLS()
	if err != nil {
		panic(err)
	}
	modulus := new(big.Int).SetBit(big.NewInt(1), 511, 1)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "short"}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}, issuer.X509(), &rsa.PublicKey{N: modulus, E: 65537}, key.PrivateKey)
	if err != nil {
		panic(err)
	}
	return der
}

// reencoded returns the certificate of a CA with its name in another string type.
func reencoded(issuer, subject ca.CA) string {
	return cross(issuer, subject, func(template *x509.Certificate) {
		value := asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte("Middle")}
		template.RawSubject = must(asn1.Marshal([]relativeNameSET{{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: value}}}))
	}).Certificate
}

type relativeNameSET []struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

func must(der []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return der
}

// L5: a result in JSON names the missing CA by key identifier and where it is known.
func TestJSON(t *testing.T) {
	t.Parallel()
	root := ca.New("Root")
	chain := ders(leaf(root))
	result := verify.Verify(verify.Input{Chain: chain, Known: in("Bundle other", root.Certificate), ServerName: host, Time: time.Now()})
	text, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	keyID := fmt.Sprintf(`"keyID":"%x"`, root.X509().SubjectKeyId)
	for _, part := range []string{`"trusted":false`, `"cause":"UnknownAuthority"`, `"subject":"CN=Root"`, keyID, `"role":"Root"`, `"place":"Bundle other"`} {
		if !strings.Contains(string(text), part) {
			t.Errorf("no %s in %s", part, text)
		}
	}
}

// L5: a short chain of certificates can have more paths than can be followed, and names of
// certificates have no control characters in messages.
func TestHostileChain(t *testing.T) {
	t.Parallel()
	const layers, copies = 11, 8
	root := ca.New("Root\x1b[31m")
	issuer, sent := root, []ca.Pair{}
	for range layers {
		subject := intermediate(issuer, fmt.Sprintf("Layer\x1b[31m %d", len(sent)))
		for range copies {
			sent = append(sent, cross(issuer, subject))
		}
		issuer = subject
	}
	for title, trusted := range map[string]string{"Untrusted": ca.New("Other").Certificate, "Rotated": ca.New("Root\x1b[31m").Certificate} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			result := verify.Verify(verify.Input{
				Chain: append(ders(leaf(issuer)), ders(sent...)...), Trusted: trust(trusted), ServerName: host, Time: time.Now(),
			})
			if result.Trusted || result.Cause != verify.UnknownAuthority {
				t.Errorf("trusted %v, cause %q", result.Trusted, result.Cause)
			}
			if text := fmt.Sprint(result); strings.Contains(text, "\x1b") {
				t.Errorf("control characters in %q", text)
			}
		})
	}
}
