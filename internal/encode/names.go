package encode

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"trust-manager.io/internal/certs"
)

// maxSubject is the largest number of characters of a subject in a name. Java
// reads names of at most 65,535 bytes from a JKS, and a character takes up to
// 3 bytes there, in lower case too; that leaves room for a whole fingerprint.
const maxSubject = 21_000

// fingerprintBytes is how much of a fingerprint a name starts with: 8
// hexadecimal digits.
const fingerprintBytes = 4

// entry is one certificate of a key store.
type entry struct {
	// name is `<fingerprint>|<subject>`; no other entry of the store has it,
	// whatever the case of the letters.
	name        string
	certificate *x509.Certificate
}

// entries gives what a key store holds, sorted by name. The order of the
// certificates makes no difference, and one that is there twice becomes one
// entry.
//
// A name starts with the first 8 hexadecimal digits of the certificate's
// SHA-256. Where several certificates share those 8 digits, each of them has
// all 64: Java puts names in lower case by rules of its own, so subjects are
// nothing to tell entries apart by. A subject of more than 21,000 characters
// is cut there, and "..." put in place of the rest.
func entries(certificates []certs.Certificate) ([]entry, error) {
	// The order of fingerprints is that of names, since each name starts with
	// as much of its fingerprint as tells it from all others.
	sorted := slices.SortedStableFunc(slices.Values(certificates), compare)
	sorted = slices.CompactFunc(sorted, func(a, b certs.Certificate) bool { return compare(a, b) == 0 })
	list := make([]entry, 0, len(sorted))
	for i := range sorted {
		digits := fingerprintBytes
		if i > 0 && alike(sorted[i-1], sorted[i]) || i+1 < len(sorted) && alike(sorted[i], sorted[i+1]) {
			digits = sha256.Size
		}
		entry, err := newEntry(sorted[i], digits)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", sorted[i].Origin, err)
		}
		list = append(list, entry)
	}
	return list, nil
}

func compare(a, b certs.Certificate) int {
	return bytes.Compare(a.Fingerprint[:], b.Fingerprint[:])
}

func alike(a, b certs.Certificate) bool {
	return bytes.Equal(a.Fingerprint[:fingerprintBytes], b.Fingerprint[:fingerprintBytes])
}

// newEntry makes the entry of a certificate whose name starts with so many
// bytes of its fingerprint.
func newEntry(certificate certs.Certificate, size int) (entry, error) {
	parsed, err := x509.ParseCertificate(certificate.DER)
	if err != nil {
		// The parser's own text may quote names out of the certificate.
		return entry{}, errors.New("the certificate, which was read before, does not parse; please report this")
	}
	text, err := certs.Subject(parsed.RawSubject)
	if err != nil {
		return entry{}, err
	}
	return entry{
		name:        hex.EncodeToString(certificate.Fingerprint[:size]) + "|" + shortened(text),
		certificate: parsed,
	}, nil
}

// shortened cuts a text after the largest number of characters.
func shortened(text string) string {
	if utf8.RuneCountInString(text) <= maxSubject {
		return text
	}
	return string([]rune(text)[:maxSubject]) + "..."
}
