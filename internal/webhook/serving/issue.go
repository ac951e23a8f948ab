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

// Subjects have no meaning to anybody but a reader: the API server goes by the
// host names.
const (
	authoritySubject   = "trust-manager webhook CA"
	certificateSubject = "trust-manager webhook"
)

// take takes a step, which is not keep. The CAs that were trusted before are those
// that stay beside a new one.
func (s step) take(held contents, before []*x509.Certificate, names []string, now time.Time) (contents, error) {
	var err error
	switch s {
	case replace:
		var authority *x509.Certificate
		if authority, held.authorityKey, err = newAuthority(now); err != nil {
			return contents{}, err
		}
		held.authorities = stillTrusted(authority, before, now)
		held.pair, err = newPair(authority, held.authorityKey, names, now)
	case renew:
		held.pair, err = newPair(held.authorities[0], held.authorityKey, names, now)
		if err == nil && !isVouchedFor(held.pair, held.authorities[:1], names, now) {
			// A CA that somebody else has made, and that may not vouch for these names.
			return replace.take(held, before, names, now)
		}
	case trim:
		held.authorities = held.authorities[:1]
	case keep:
	}
	return held, err
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

func newPair(authority *x509.Certificate, by crypto.Signer, names []string, now time.Time) (*tls.Certificate, error) {
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: certificateSubject},
		NotBefore:             now.Add(-skew),
		NotAfter:              now.Add(-skew).Add(servingLife),
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:              names,
	}
	certificate, key, err := issue(template, authority, by)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{certificate.Raw}, PrivateKey: key, Leaf: certificate}, nil
}

// issue makes a key and a certificate for it, with a random serial number. It signs
// itself where nothing is given to sign it by.
func issue(template, parent *x509.Certificate, by crypto.Signer) (*x509.Certificate, crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("making a key: %w", err)
	}
	if by == nil {
		by = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	if err != nil {
		return nil, nil, fmt.Errorf("making a certificate: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	return certificate, key, err
}
