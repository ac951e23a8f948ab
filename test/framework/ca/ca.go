package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"sync/atomic"
	"time"
)

// Unchanged is a CA certificate for values that depend on one and must not change between
// versions of the operator.
const Unchanged = `-----BEGIN CERTIFICATE-----
MIIBfDCCASOgAwIBAgIUSZF1dk3f9O4F9ll6CGa/g1Vt6T4wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJVW5jaGFuZ2VkMB4XDTI2MTEyNTIzMTIzM1oXDTQ2MDEyNDIz
MTIzM1owFDESMBAGA1UEAwwJVW5jaGFuZ2VkMFkwEwYHKoZIzj0CAQYIKoZIzj0D
AQcDQgAE7PWtElM7Dh33xczGK9YP9g88VuipWtZUkr+MVRhFWZtK6RSEXVxyhgUx
qV9C/kVuFTiTvS0dny760YVhVi5Eb6NTMFEwHQYDVR0OBBYEFExef8H6MGDna0zq
S8Ezi2BqnQwYMB8GA1UdIwQYMBaAFExef8H6MGDna0zqS8Ezi2BqnQwYMA8GA1Ud
EwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDRwAwRAIgBXRhz5kYqOkxYsWESy9Jy2LP
y9CqNyuyNTcfcpRsPSUCIFNmIPSu6My/b497h7if3EzIsMbpTCmAMcy0KenW1MWY
-----END CERTIFICATE-----
`

// serials is the last serial number that New or Issue has used.
var serials atomic.Int64

// CA is a certificate authority.
type CA struct{ Pair }

// Pair is a certificate and its private key.
type Pair struct {
	// Certificate and Key (PKCS#8) are PEM blocks. The certificate's is the block that a
	// target should hold (T1).
	Certificate, Key string
}

// New returns a self-signed CA with a new key and serial number, valid for a year.
func New(commonName string, changes ...func(*x509.Certificate)) CA {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	check(err)
	return selfSigned(key, &x509.Certificate{
		SerialNumber:          nextSerial(),
		Subject:               pkix.Name{CommonName: commonName},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().AddDate(1, 0, 0),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}, changes)
}

// Fixed returns the self-signed CA "Root <number>", valid from 2026 to 2046. Its bytes
// depend only on number and changes: the key is always the same, and so is the subject
// key identifier, whose default may change with the Go release.
func Fixed(number int64, changes ...func(*x509.Certificate)) CA {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	return selfSigned(key, &x509.Certificate{
		SerialNumber:          big.NewInt(number),
		Subject:               pkix.Name{CommonName: fmt.Sprintf("Root %d", number)},
		NotBefore:             time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:              time.Date(2046, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA:                  true,
		BasicConstraintsValid: true,
		SubjectKeyId:          []byte{1, 2, 3, 4},
	}, changes)
}

// Roots returns the certificates of [Fixed] CAs, in the order of the numbers.
func Roots(numbers ...int64) string {
	var text strings.Builder
	for _, number := range numbers {
		text.WriteString(Fixed(number).Certificate)
	}
	return text.String()
}

func selfSigned(key ed25519.PrivateKey, template *x509.Certificate, changes []func(*x509.Certificate)) CA {
	for _, change := range changes {
		change(template)
	}
	issuer := template
	if template.Issuer.CommonName != "" {
		issuer = &x509.Certificate{Subject: template.Issuer}
	}
	return CA{sign(template, issuer, key, key)}
}

// Issue returns a certificate that the CA has signed, with a new key and serial number.
// It is a server's, and valid as long as the CA.
func (c CA) Issue(changes ...func(*x509.Certificate)) Pair {
	issuer, err := c.TLS()
	check(err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	template := &x509.Certificate{
		SerialNumber: nextSerial(),
		NotBefore:    issuer.Leaf.NotBefore,
		NotAfter:     issuer.Leaf.NotAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, change := range changes {
		change(template)
	}
	return sign(template, issuer.Leaf, key, issuer.PrivateKey.(crypto.Signer))
}

// DER returns the certificate.
func (p Pair) DER() []byte {
	block, _ := pem.Decode([]byte(p.Certificate))
	return block.Bytes
}

// X509 returns the parsed certificate.
func (p Pair) X509() *x509.Certificate {
	certificate, err := x509.ParseCertificate(p.DER())
	check(err)
	return certificate
}

// TLS returns the pair as crypto/tls uses it.
func (p Pair) TLS() (tls.Certificate, error) {
	return tls.X509KeyPair([]byte(p.Certificate), []byte(p.Key))
}

// PEM returns a certificate as a PEM block.
func PEM(der []byte) string { return block("CERTIFICATE", der) }

func block(label string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der}))
}

// sign returns the certificate of key, signed by another key or by itself.
func sign(template, issuer *x509.Certificate, key, signer crypto.Signer) Pair {
	certificate, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), signer)
	check(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	check(err)
	return Pair{PEM(certificate), block("PRIVATE KEY", private)}
}

func nextSerial() *big.Int { return big.NewInt(serials.Add(1)) }

func check(err error) {
	if err != nil {
		panic(err)
	}
}
