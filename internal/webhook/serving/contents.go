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

// The keys of the Secret: those of the type kubernetes.io/tls, and the CA's key.
const (
	// authoritiesKey has the CA that issues, and after it those that are still
	// trusted. It is what the caBundle has to be.
	authoritiesKey  = "ca.crt"
	authorityKeyKey = "ca.key"
	certificateKey  = "tls.crt"
	privateKeyKey   = "tls.key"
)

const (
	certificateBlock = "CERTIFICATE"
	privateKeyBlock  = "PRIVATE KEY"
)

// contents are those of the Secret.
type contents struct {
	// authorities are trusted. The first issues, with authorityKey. There is none
	// without its key.
	authorities  []*x509.Certificate
	authorityKey crypto.Signer
	// pair is the serving certificate, with its leaf parsed; nil if there is none
	// that can be used.
	pair *tls.Certificate
}

// bundle gives what the caBundle has to be.
func (c contents) bundle() []byte { return encodeCertificates(c.authorities) }

// parse reads the data of a Secret as far as it is whole, and says what is not.
// The faults show nothing of the data.
func parse(data map[string][]byte) (c contents, fault error) {
	if c.authorities, c.authorityKey, fault = parseAuthorities(data); fault != nil {
		return contents{}, fault
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
		return nil, nil, errors.New("it has no ca.key, so it is of another origin")
	}
	authorities, whole := parseCertificates(data[authoritiesKey])
	if !whole || len(authorities) == 0 {
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

// parseCertificates gives all certificates in a text, and whether there is nothing
// else in it.
func parseCertificates(text []byte) (certificates []*x509.Certificate, whole bool) {
	whole = true
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			return certificates, whole && len(bytes.TrimSpace(text)) == 0
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if block.Type == certificateBlock && err == nil {
			certificates = append(certificates, certificate)
		} else {
			whole = false
		}
		text = rest
	}
}

// parseKey gives nil for what is no key.
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

// trusted gives the certificates by which whatever shows the pair of a Secret is
// trusted, be the Secret of another origin or damaged: its CAs, or the certificate
// itself if none are there.
func trusted(data map[string][]byte) []*x509.Certificate {
	if authorities, _ := parseCertificates(data[authoritiesKey]); len(authorities) > 0 {
		return authorities
	}
	certificates, _ := parseCertificates(data[certificateKey])
	return certificates
}

// encode gives the data of a Secret.
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

// stillTrusted puts a new CA before those that are to stay: each once, without
// those that have expired, and no more than a bundle can have.
func stillTrusted(authority *x509.Certificate, before []*x509.Certificate, now time.Time) []*x509.Certificate {
	authorities := []*x509.Certificate{authority}
	for _, one := range before {
		if now.After(one.NotAfter) || slices.ContainsFunc(authorities, one.Equal) || len(authorities) == maxAuthorities {
			continue
		}
		authorities = append(authorities, one)
	}
	return authorities
}
