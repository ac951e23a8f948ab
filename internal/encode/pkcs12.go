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

// Profile names the algorithms of a PKCS#12 store with a password. The empty Profile
// means [LegacyRC2].
type Profile string

// The profiles. docs/guide/formats.md lists the software that reads each of them.
const (
	// LegacyRC2 encrypts with 40-bit RC2 and authenticates with HMAC-SHA-1.
	LegacyRC2 Profile = "LegacyRC2"
	// LegacyDES encrypts with triple DES and authenticates with HMAC-SHA-1.
	LegacyDES Profile = "LegacyDES"
	// Modern2023 encrypts with AES-256-CBC and a key derived by PBKDF2, and
	// authenticates with HMAC-SHA-256.
	Modern2023 Profile = "Modern2023"
)

// PKCS12 returns a PKCS#12 trust store (RFC 7292): certificates only, each with the
// attribute by which Java 8 and newer recognize a trusted certificate. Friendly names are
// the aliases of a JKS in their original case, and entries have the same order: that of
// the fingerprints, regardless of the order of the certificates (T3).
//
// The password has up to 128 characters of the Basic Multilingual Plane. With an empty
// password the store has neither encryption nor authentication, whatever the profile
// (A10).
//
// The same input results in the same bytes: salts and initialization vectors are derived
// from the certificates and the profile instead of being random. See docs/adr/0006.
//
// PKCS12 returns an error if a certificate cannot be stored, with its origin, or if the
// password or the profile is invalid.
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

// salts returns the source of the bytes that replace random ones in a store. A salt must
// differ if the content differs; it need not be unpredictable. It does not depend on the
// password: otherwise an attacker who knows the content could test passwords against the
// salt, which is cheaper than against the store.
func salts(list []entry, profile Profile) io.Reader {
	seed := sha256.New()
	write := func(bytes []byte) {
		_, _ = seed.Write(binary.BigEndian.AppendUint64(nil, uint64(len(bytes)))) // a hash accepts every write
		_, _ = seed.Write(bytes)
	}
	write([]byte("trust-manager PKCS#12 salts"))
	write([]byte(cmp.Or(profile, LegacyRC2)))
	for _, entry := range list {
		write(entry.certificate.Raw)
	}
	return rand.NewChaCha8([sha256.Size]byte(seed.Sum(nil)))
}

// checkPassword returns an error for a password that PKCS#12 does not support: keys are
// derived from the password as a BMPString (RFC 7292, B.1).
func checkPassword(password string) error {
	if utf8.RuneCountInString(password) > maxPassword {
		return fmt.Errorf("PKCS#12: the password must have at most %d characters", maxPassword)
	}
	for _, r := range password {
		if r > certs.MaxBMP {
			return errors.New("PKCS#12: the password has a character outside the Basic Multilingual Plane, " +
				"such as an emoji, which the format does not support; choose another password")
		}
	}
	return nil
}

// encoder returns the encoder of the profile, for this password.
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
