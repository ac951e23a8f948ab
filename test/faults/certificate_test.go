package faults

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
	"sync/atomic"
	"time"
)

// The lifetimes of certificates: one that a clock ten years ahead takes for expired,
// and one that it does not.
const (
	usualLife = 24 * time.Hour
	longLife  = 30 * 365 * 24 * time.Hour
)

// issued counts the certificates, so that each has a serial number of its own.
var issued atomic.Int64

// newCertificate makes a CA certificate, as PEM, that there was none like before. Its
// DER has about so many bytes more than it needs.
func newCertificate(of string, life time.Duration, padding int) string {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	number := issued.Add(1)
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(number),
		Subject:               pkix.Name{CommonName: fmt.Sprintf("%s %d", of, number)},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(life),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	if padding > 0 {
		noise := make([]byte, padding)
		_, _ = rand.Read(noise) // never fails, says its documentation
		template.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 999, 1}, Value: noise}}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		panic(err)
	}
	return pemText(der)
}

// newCertificates makes several usual ones.
func newCertificates(of string, count int) []string {
	var list []string
	for range count {
		list = append(list, newCertificate(of, usualLife, 0))
	}
	return list
}

// newKey makes a private key, as PEM.
func newKey() string {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func pemText(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
