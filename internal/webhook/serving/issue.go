package serving

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"time"
)

// The subjects are informational. The API server verifies the host names.
const (
	authoritySubject   = "trust-manager webhook CA"
	certificateSubject = "trust-manager webhook"
)

// apply returns the contents after a step. After replace, the CAs in previous stay trusted.
func (s step) apply(c contents, previous []*x509.Certificate, names []string, now time.Time) (contents, error) {
	var err error
	switch s {
	case replace:
		var authority *x509.Certificate
		if authority, c.authorityKey, err = newAuthority(now); err != nil {
			return contents{}, err
		}
		c.authorities = withPrevious(authority, previous, now)
		c.pair, err = newPair(authority, c.authorityKey, names, now)
	case renew:
		c.pair, err = newPair(c.authorities[0], c.authorityKey, names, now)
		if err == nil && !isTrusted(c.pair, c.authorities[:1], names, now) {
			// The CA was not created by the operator and must not issue for these names.
			return replace.apply(c, previous, names, now)
		}
	case trim:
		c.authorities = c.authorities[:1]
	case keep:
	}
	return c, err
}

func newAuthority(now time.Time) (*x509.Certificate, crypto.Signer, error) {
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: authoritySubject},
		NotBefore:             now.Add(-skew),
		NotAfter:              now.Add(-skew).Add(authorityLife),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	return issue(template, template, nil)
}

func newPair(authority *x509.Certificate, signer crypto.Signer, names []string, now time.Time) (*tls.Certificate, error) {
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: certificateSubject},
		NotBefore:             now.Add(-skew),
		NotAfter:              now.Add(-skew).Add(servingLife),
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:              names,
	}
	certificate, key, err := issue(template, authority, signer)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{certificate.Raw}, PrivateKey: key, Leaf: certificate}, nil
}

// issue creates a key and a certificate for it, with a random serial number. The certificate
// is self-signed if signer is nil.
func issue(template, parent *x509.Certificate, signer crypto.Signer) (*x509.Certificate, crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("generating a key: %w", err)
	}
	if signer == nil {
		signer = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, nil, fmt.Errorf("creating a certificate: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	return certificate, key, err
}
