package encode

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"unicode/utf8"

	"software.sslmate.com/src/go-pkcs12"

	"trust-manager.io/internal/certs"
)

// Profile names the algorithms that a PKCS#12 store with a password is written
// with. The empty Profile is LegacyRC2.
type Profile string

// The profiles. What reads them is in docs/guide/formats.md.
const (
	// LegacyRC2 encrypts with 40 bit RC2 and authenticates with HMAC-SHA-1.
	LegacyRC2 Profile = "LegacyRC2"
	// LegacyDES encrypts with triple DES and authenticates with HMAC-SHA-1.
	LegacyDES Profile = "LegacyDES"
	// Modern2023 encrypts with AES-256-CBC under a key from PBKDF2 and
	// authenticates with HMAC-SHA-256.
	Modern2023 Profile = "Modern2023"
)

// PKCS12 gives a PKCS#12 trust store (RFC 7292): certificates only, each marked
// as trusted in the way that Java 8 and newer look for. Friendly names are the
// aliases of a JKS but in their own case, and entries stand in the same order:
// that of the fingerprints, whatever the order of the certificates (T3).
//
// The password has up to 128 characters of the Basic Multilingual Plane. An
// empty one gives a store without encryption and without authentication,
// whatever the profile (A10).
//
// The same input gives the same bytes: salts and initialization vectors are
// derived from the certificates and the profile, and not drawn at random. See
// docs/adr/0006.
//
// An error says which certificate cannot be stored, by its origin, or what is
// wrong with password or profile.
func PKCS12(certificates []certs.Certificate, password string, profile Profile) ([]byte, error) {
	if err := checkPassword(password); err != nil {
		return nil, err
	}
	encoder, err := profile.encoder(password)
	if err != nil {
		return nil, err
	}
	list, err := entries(certificates)
	if err != nil {
		return nil, fmt.Errorf("PKCS#12: %w", err)
	}
	trusted := make([]pkcs12.TrustStoreEntry, 0, len(list))
	for _, entry := range list {
		trusted = append(trusted, pkcs12.TrustStoreEntry{Cert: entry.certificate, FriendlyName: entry.name})
	}
	file, err := encoder.WithRand(salts(list, profile)).EncodeTrustStoreEntries(trusted, password)
	if err != nil {
		return nil, fmt.Errorf("PKCS#12: %w", err)
	}
	return file, nil
}

// salts gives the bytes that a store takes for random. A salt has to differ
// where the content does; it need not be unforeseeable. The password has no part
// in it: who knows the content could otherwise try passwords on the salt, which
// is cheaper than on the store.
func salts(list []entry, profile Profile) io.Reader {
	seed := sha256.New()
	part := func(bytes []byte) {
		_, _ = seed.Write(binary.BigEndian.AppendUint64(nil, uint64(len(bytes)))) // a hash takes every write
		_, _ = seed.Write(bytes)
	}
	part([]byte("trust-manager PKCS#12 salts"))
	part([]byte(cmp.Or(profile, LegacyRC2)))
	for _, entry := range list {
		part(entry.certificate.Raw)
	}
	return rand.NewChaCha8([sha256.Size]byte(seed.Sum(nil)))
}

// checkPassword refuses what a PKCS#12 store cannot have: keys are derived from
// the password as a BMPString (RFC 7292, B.1).
func checkPassword(password string) error {
	if utf8.RuneCountInString(password) > maxPassword {
		return fmt.Errorf("PKCS#12: the password must have at most %d characters", maxPassword)
	}
	for _, r := range password {
		if r > certs.MaxBMP {
			return errors.New("PKCS#12: the password has a character outside the Basic Multilingual Plane, " +
				"such as an emoji, which the format cannot hold; choose another one")
		}
	}
	return nil
}

// encoder gives what writes the profile, for this password.
func (p Profile) encoder(password string) (*pkcs12.Encoder, error) {
	var encoder *pkcs12.Encoder
	switch p {
	case LegacyRC2, "":
		encoder = pkcs12.LegacyRC2
	case LegacyDES:
		encoder = pkcs12.LegacyDES
	case Modern2023:
		encoder = pkcs12.Modern2023
	default:
		return nil, fmt.Errorf("PKCS#12: there is no profile %q; use %s, %s or %s", string(p), LegacyRC2, LegacyDES, Modern2023)
	}
	if password == "" {
		encoder = pkcs12.Passwordless
	}
	return encoder, nil
}
