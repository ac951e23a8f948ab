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

// maxSubject is the largest number of characters of a subject in a name. Java reads names
// of at most 65,535 bytes from a JKS, where a character takes up to 3 bytes, in lower case
// too; this leaves room for a whole fingerprint.
const maxSubject = 21_000

// prefixBytes is the length of the fingerprint prefix in a name: 8 hexadecimal digits.
const prefixBytes = 4

// entry is one certificate of a key store.
type entry struct {
	// name is `<fingerprint>|<subject>`; it is unique in the store, ignoring case.
	name        string
	certificate *x509.Certificate
}

// entries returns the entries of a key store, sorted by name. The order of the
// certificates makes no difference, a duplicate results in one entry, and a nonconforming
// certificate in none, since Java could not read the store.
//
// A name starts with the first 8 hexadecimal digits of the certificate's SHA-256. If
// several certificates share those 8 digits, each of them has all 64: Java converts names
// to lower case by its own rules, so subjects cannot make names unique. A subject of more
// than 21,000 characters is truncated and "..." appended.
func entries(certificates []certs.Certificate) ([]entry, error) {
	// Sorting by fingerprint sorts by name, since each name starts with a unique prefix of
	// its fingerprint.
	sorted := slices.SortedStableFunc(slices.Values(certificates), compare)
	sorted = slices.CompactFunc(sorted, func(a, b certs.Certificate) bool { return compare(a, b) == 0 })
	sorted = slices.DeleteFunc(sorted, func(c certs.Certificate) bool { return c.Nonconforming != "" })
	if len(sorted) == 0 && len(certificates) > 0 {
		return nil, errors.New("no certificate is left: nonconforming certificates are not in key stores")
	}
	list := make([]entry, 0, len(sorted))
	for i := range sorted {
		size := prefixBytes
		if i > 0 && samePrefix(sorted[i-1], sorted[i]) || i+1 < len(sorted) && samePrefix(sorted[i], sorted[i+1]) {
			size = sha256.Size
		}
		entry, err := newEntry(sorted[i], size)
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

func samePrefix(a, b certs.Certificate) bool {
	return bytes.Equal(a.Fingerprint[:prefixBytes], b.Fingerprint[:prefixBytes])
}

// newEntry returns the entry of a certificate. Its name starts with the first size bytes
// of the fingerprint.
func newEntry(certificate certs.Certificate, size int) (entry, error) {
	parsed, err := x509.ParseCertificate(certificate.DER)
	if err != nil {
		// The parser's own text may quote names from the certificate.
		return entry{}, errors.New("the certificate was parsed before, but does not parse now; please report this as a bug")
	}
	text, err := certs.Subject(parsed.RawSubject)
	if err != nil {
		return entry{}, err
	}
	return entry{
		name:        hex.EncodeToString(certificate.Fingerprint[:size]) + "|" + truncate(text),
		certificate: parsed,
	}, nil
}

// truncate shortens a subject to at most maxSubject characters and "...".
func truncate(text string) string {
	if utf8.RuneCountInString(text) <= maxSubject {
		return text
	}
	return string([]rune(text)[:maxSubject]) + "..."
}
