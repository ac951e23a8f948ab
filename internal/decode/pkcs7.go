package decode

import (
	"encoding/asn1"
	"errors"
	"fmt"

	"github.com/smallstep/pkcs7"

	"trust-manager.io/internal/certs"
)

// readPKCS7 reads the certificates of a SignedData (RFC 5652, 5.1).
func (r *reader) readPKCS7(data []byte, origin certs.Origin) error {
	// The library has no limits of its own, so the file is checked first.
	der, err := definite(data)
	if err != nil {
		return fmt.Errorf("PKCS#7: %w", err)
	}
	count, err := countCertificates(der)
	if err != nil {
		return fmt.Errorf("PKCS#7: %w", err)
	}
	message, err := pkcs7.Parse(der)
	// Of a SignedData that it cannot read, the library returns what comes before the damage.
	if err != nil || len(message.Certificates) != count {
		return errors.New("PKCS#7: the file is damaged, or a certificate does not conform to RFC 5280; " +
			"convert it with `openssl pkcs7 -print_certs`, with -inform DER if it is binary")
	}
	for _, certificate := range message.Certificates {
		if err := r.add(certificate.Raw, "", NoRole); err != nil {
			return fmt.Errorf("PKCS#7: %w", err)
		}
		r.content.Entries[len(r.content.Entries)-1].Certificate.Origin = origin
	}
	for range message.CRLs {
		r.content.count("revocation list")
	}
	for range message.Signers {
		r.content.count("signature")
	}
	return nil
}

// countCertificates returns the number of certificates of a SignedData with definite lengths.
func countCertificates(der []byte) (int, error) {
	var info contentInfo
	if err := unmarshal(der, &info); err != nil {
		return 0, err
	}
	if !info.Type.Equal(pkcs7.OIDSignedData) {
		return 0, errNotCertificates
	}
	var signed asn1.RawValue
	if err := unmarshal(info.Content.Bytes, &signed); err != nil {
		return 0, err
	}
	fields, err := elements(signed.Bytes)
	if err != nil {
		return 0, err
	}
	for _, field := range fields {
		if field.Class == asn1.ClassContextSpecific && field.Tag == 0 {
			list, err := elements(field.Bytes)
			return len(list), err
		}
	}
	return 0, nil
}

// contentInfo is a ContentInfo (RFC 5652, 3).
type contentInfo struct {
	Type    asn1.ObjectIdentifier
	Content asn1.RawValue `asn1:"tag:0,explicit,optional"`
}
