package serving

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"slices"
	"time"
)

// The keys of the Secret: those of the type kubernetes.io/tls, and the private key of the
// CA.
const (
	// authoritiesKey holds the issuing CA, followed by previous CAs that are still trusted.
	// It is the desired caBundle.
	authoritiesKey  = "ca.crt"
	authorityKeyKey = "ca.key"
	certificateKey  = "tls.crt"
	privateKeyKey   = "tls.key"
)

const (
	certificateBlock = "CERTIFICATE"
	privateKeyBlock  = "PRIVATE KEY"
)

// contents is the decoded data of the Secret.
type contents struct {
	// authorities are the trusted CAs. The first one issues, with authorityKey. They are
	// empty if that key is missing.
	authorities  []*x509.Certificate
	authorityKey crypto.Signer
	// pair is the serving certificate with a parsed leaf, or nil if it is missing or
	// invalid.
	pair *tls.Certificate
}

// caBundle returns the desired caBundle.
func (c contents) caBundle() []byte { return encodeCertificates(c.authorities) }

// parse decodes the valid part of a Secret's data, and returns an error if some of it is
// invalid. The error contains none of the data.
func parse(data map[string][]byte) (c contents, err error) {
	if c.authorities, c.authorityKey, err = parseAuthorities(data); err != nil {
		return contents{}, err
	}
	pair, err := tls.X509KeyPair(data[certificateKey], data[privateKeyKey])
	if err != nil {
		return c, errors.New("tls.crt and tls.key are not a certificate and its key")
	}
	c.pair = &pair
	return c, nil
}

func parseAuthorities(data map[string][]byte) ([]*x509.Certificate, crypto.Signer, error) {
	if len(data[authorityKeyKey]) == 0 {
		return nil, nil, errors.New("the Secret has no ca.key, so it was not created by the operator")
	}
	authorities, isComplete := parseCertificates(data[authoritiesKey])
	if !isComplete || len(authorities) == 0 {
		return nil, nil, errors.New("ca.crt is not a list of certificates")
	}
	key := parseKey(data[authorityKeyKey])
	if key == nil {
		return nil, nil, errors.New("ca.key is not a private key")
	}
	public, ok := authorities[0].PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(key.Public()) || !authorities[0].IsCA {
		return nil, nil, errors.New("ca.key is not the key of the first CA in ca.crt")
	}
	return authorities, key, nil
}

// parseCertificates returns all certificates in a text, and reports whether the text
// contains nothing else.
func parseCertificates(text []byte) (certificates []*x509.Certificate, isComplete bool) {
	isComplete = true
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			return certificates, isComplete && len(bytes.TrimSpace(text)) == 0
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if block.Type == certificateBlock && err == nil {
			certificates = append(certificates, certificate)
		} else {
			isComplete = false
		}
		text = rest
	}
}

// parseKey returns the private key in a text, or nil if it is invalid.
func parseKey(text []byte) crypto.Signer {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != privateKeyBlock {
		return nil
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil
	}
	signer, _ := key.(crypto.Signer)
	return signer
}

// trustAnchors returns the certificates that verify the serving certificate of a Secret,
// even if the Secret is foreign or damaged: its CAs, or the certificate itself if it has
// none.
func trustAnchors(data map[string][]byte) []*x509.Certificate {
	if authorities, _ := parseCertificates(data[authoritiesKey]); len(authorities) > 0 {
		return authorities
	}
	certificates, _ := parseCertificates(data[certificateKey])
	return certificates
}

// encode returns the data of the Secret.
func (c contents) encode() (map[string][]byte, error) {
	authorityKey, err := encodeKey(c.authorityKey)
	if err != nil {
		return nil, err
	}
	privateKey, err := encodeKey(c.pair.PrivateKey)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		authoritiesKey:  encodeCertificates(c.authorities),
		authorityKeyKey: authorityKey,
		certificateKey:  encodeCertificates([]*x509.Certificate{c.pair.Leaf}),
		privateKeyKey:   privateKey,
	}, nil
}

func encodeCertificates(certificates []*x509.Certificate) []byte {
	var text []byte
	for _, certificate := range certificates {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: certificate.Raw})...)
	}
	return text
}

func encodeKey(key crypto.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, errors.New("a private key cannot be encoded")
	}
	return pem.EncodeToMemory(&pem.Block{Type: privateKeyBlock, Bytes: der}), nil
}

// withPrevious returns a new CA followed by the previous ones, without duplicates and
// expired CAs, and limited to [maxAuthorities].
func withPrevious(authority *x509.Certificate, previous []*x509.Certificate, now time.Time) []*x509.Certificate {
	authorities := []*x509.Certificate{authority}
	for _, ca := range previous {
		if now.After(ca.NotAfter) || slices.ContainsFunc(authorities, ca.Equal) || len(authorities) == maxAuthorities {
			continue
		}
		authorities = append(authorities, ca)
	}
	return authorities
}
