package ca

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"net"
	"time"
)

// Named sets the common name, and no other part of the subject.
func Named(commonName string) func(*x509.Certificate) {
	return func(template *x509.Certificate) { template.Subject = pkix.Name{CommonName: commonName} }
}

// NotCA makes a certificate one of a server or client, which must not be trusted as a CA.
func NotCA(template *x509.Certificate) {
	template.IsCA, template.KeyUsage = false, x509.KeyUsageDigitalSignature
}

// Intermediate makes a certificate that a CA issues one of a CA.
func Intermediate(template *x509.Certificate) {
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageCertSign, nil
}

// IssuedBy makes a certificate name another CA as its issuer, which did not sign it.
func IssuedBy(commonName string) func(*x509.Certificate) {
	return func(template *x509.Certificate) { template.Issuer = pkix.Name{CommonName: commonName} }
}

// ForHosts makes a certificate valid for DNS names and IP addresses.
func ForHosts(hosts ...string) func(*x509.Certificate) {
	return func(template *x509.Certificate) {
		for _, host := range hosts {
			if address := net.ParseIP(host); address != nil {
				template.IPAddresses = append(template.IPAddresses, address)
			} else {
				template.DNSNames = append(template.DNSNames, host)
			}
		}
	}
}

// Valid sets the validity period.
func Valid(from, to time.Time) func(*x509.Certificate) {
	return func(template *x509.Certificate) { template.NotBefore, template.NotAfter = from, to }
}

// ValidUntil sets the end of the validity period.
func ValidUntil(end time.Time) func(*x509.Certificate) {
	return func(template *x509.Certificate) { template.NotAfter = end }
}

// ValidFor sets the end of the validity period, from now on.
func ValidFor(lifetime time.Duration) func(*x509.Certificate) {
	return ValidUntil(time.Now().Add(lifetime))
}

// Padded adds about this many bytes to a certificate, in an unknown extension.
func Padded(bytes int) func(*x509.Certificate) {
	return func(template *x509.Certificate) {
		noise := make([]byte, bytes)
		_, _ = rand.Read(noise) // never fails
		template.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 999, 1}, Value: noise}}
	}
}

// NegativeSerial returns the PEM of a root whose only fault is its negative serial number,
// which RFC 5280 forbids. Go creates no such certificate, so a bit is set in a valid one.
func NegativeSerial(changes ...func(*x509.Certificate)) string {
	const serial = 0x7a_11_22_33_44_55_66_77
	der := Fixed(serial, changes...).DER()
	at := bytes.Index(der, binary.BigEndian.AppendUint64(nil, serial))
	der[at] |= 0x80
	return PEM(der)
}
