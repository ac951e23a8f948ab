// Package ca makes certificate authorities for tests.
//
// What always holds: each has a key and a serial number of its own, so that no two
// certificates are the same, and its PEM is just the block that a target should hold
// (T1). It panics where a machine cannot make keys: no test could go on.
package ca

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"sync/atomic"
	"time"
)

// Unchanged is the certificate of a CA of no importance, the same for ever: for values that
// depend on it and must not change from one version of the operator to the next.
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

// made counts them.
var made atomic.Int64

// CA is a certificate authority.
type CA struct {
	// Certificate and Key (PKCS#8) are PEM blocks.
	Certificate, Key string
}

// New makes a self-signed CA with this common name, which is valid for a year. Changes
// are made to what its certificate is made of.
func New(commonName string, changes ...func(*x509.Certificate)) CA {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(made.Add(1)),
		Subject:               pkix.Name{CommonName: commonName},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().AddDate(1, 0, 0),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	for _, change := range changes {
		change(template)
	}
	issuer := template
	if template.Issuer.CommonName != "" {
		issuer = &x509.Certificate{Subject: template.Issuer}
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, issuer, public, private)
	if err != nil {
		panic(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		panic(err)
	}
	return CA{Certificate: PEM(certificate), Key: block("PRIVATE KEY", key)}
}

// Padded makes a certificate about so many bytes larger, by an extension that nobody
// knows.
func Padded(bytes int) func(*x509.Certificate) {
	return func(template *x509.Certificate) {
		noise := make([]byte, bytes)
		_, _ = rand.Read(noise) // never fails, says its documentation
		template.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 999, 1}, Value: noise}}
	}
}

// ValidFor makes a certificate valid for so long from now.
func ValidFor(life time.Duration) func(*x509.Certificate) {
	return func(template *x509.Certificate) { template.NotAfter = time.Now().Add(life) }
}

// IssuedBy makes a certificate name another CA as its issuer, which did not sign it.
func IssuedBy(commonName string) func(*x509.Certificate) {
	return func(template *x509.Certificate) { template.Issuer = pkix.Name{CommonName: commonName} }
}

// PEM gives a certificate, in DER, as a PEM block.
func PEM(der []byte) string { return block("CERTIFICATE", der) }

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
