package decode

import (
	"encoding/asn1"
	"errors"
	"fmt"

	"trust-manager.io/internal/certs"
)

// isDER reports whether a file begins with a SEQUENCE of more than 127 bytes, as each format does:
// no text begins with these two bytes.
func isDER(data []byte) bool {
	return len(data) > 2 && data[0] == asn1.TagSequence|constructed && data[1] >= 0x80 && data[1] <= 0x84
}

// readDER reads certificates, PKCS#7 or PKCS#12.
func (r *reader) readDER(data []byte) error {
	b := ber{rest: data}
	if _, _, err := b.header(); err != nil || len(b.rest) < 3 {
		return fmt.Errorf("%w: it looks like DER, but is cut off", ErrUnknown)
	}
	switch isInteger := b.rest[0] == asn1.TagInteger; {
	case b.rest[0] == asn1.TagOID:
		r.content.Format = PKCS7
		return r.readPKCS7(data, certs.Origin{})
	case isInteger && b.rest[1] == 1 && b.rest[2] == pfxVersion:
		return r.readPKCS12(data)
	case isInteger:
		return fmt.Errorf("%w: it looks like a private key in DER, not like certificates; replace the key if others could read it", ErrUnknown)
	}
	list, err := certs.ParseDER(data)
	if err != nil {
		return fmt.Errorf("%s: %w", describeDER(data), err)
	}
	r.content.Format = DER
	for _, certificate := range list {
		r.content.Entries = append(r.content.Entries, Entry{Certificate: certificate})
	}
	return nil
}

// describeDER returns what a file in DER looks like that does not consist of certificates.
func describeDER(data []byte) string {
	var outer asn1.RawValue
	if _, err := asn1.Unmarshal(data, &outer); err != nil {
		return "the file is damaged or cut off"
	}
	parts, err := elements(outer.Bytes)
	second := 0
	if err == nil && len(parts) > 1 {
		second = parts[1].Tag
	}
	switch {
	case len(parts) == 2 && second == asn1.TagOctetString:
		return "the file looks like an encrypted private key"
	case len(parts) == 2 && second == asn1.TagBitString:
		return "the file looks like a public key"
	case len(parts) == 3 && second == asn1.TagSequence:
		return "the file looks like a certificate request, a revocation list or a damaged certificate"
	}
	return "the file does not consist of certificates"
}

// errNotCertificates is the error for a PKCS#7 message of another type.
var errNotCertificates = errors.New("it is not a PKCS#7 file of certificates (SignedData), but encrypted or other data")
