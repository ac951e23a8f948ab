package encode

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // the format requires it
	"encoding/binary"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/pavlo-v-chernykh/keystore-go/v4"

	"trust-manager.io/internal/certs"
)

// maxPassword is the largest number of characters of a store's password, as in the API.
const maxPassword = 128

// JKS returns a Java KeyStore (version 2) with one trusted-certificate entry for each
// certificate: alias `<first 8 hex of the DER's SHA-256>|<subject>` in lower case, sorted
// by alias, entry date = the certificate's NotBefore (T2). The same set of certificates
// and the same password result in the same bytes, regardless of the order.
//
// The password has 1 to 128 characters. It encrypts nothing, but is part of the checksum
// against accidental change. Like Java, JKS uses the UTF-16 of the password, so it need
// not be ASCII.
//
// JKS returns an error if a certificate cannot be stored, with its origin, or if the
// length of the password is invalid.
func JKS(certificates []certs.Certificate, password string) ([]byte, error) {
	if length := utf8.RuneCountInString(password); length < 1 || length > maxPassword {
		return nil, fmt.Errorf("JKS: the password must have 1 to %d characters", maxPassword)
	}
	list, err := entries(certificates)
	if err != nil {
		return nil, fmt.Errorf("JKS: %w", err)
	}
	// Aliases are in lower case already: the library would convert them by the Unicode
	// version of the compiler.
	store := keystore.New(keystore.WithOrderedAliases(), keystore.WithCaseExactAliases())
	for _, entry := range list {
		trusted := keystore.TrustedCertificateEntry{
			CreationTime: entry.certificate.NotBefore,
			Certificate:  keystore.Certificate{Type: "X.509", Content: entry.certificate.Raw},
		}
		if err := store.SetTrustedCertificateEntry(lower(entry.name), trusted); err != nil {
			return nil, fmt.Errorf("JKS: %w", err)
		}
	}
	var file bytes.Buffer
	if err := store.Store(&file, nil); err != nil {
		return nil, fmt.Errorf("JKS: %w", err)
	}
	return withChecksum(file.Bytes(), password), nil
}

// withChecksum replaces the checksum at the end of a store with Java's: the SHA-1 of the
// password in UTF-16 (high byte first), a fixed text, and the store. The library treats
// each byte of a password as a character.
func withChecksum(store []byte, password string) []byte {
	content := store[:len(store)-sha1.Size]
	checksum := sha1.New() //nolint:gosec // the format requires it
	for _, unit := range utf16.Encode([]rune(password)) {
		_, _ = checksum.Write(binary.BigEndian.AppendUint16(nil, unit)) // a hash accepts every write
	}
	_, _ = checksum.Write([]byte("Mighty Aphrodite"))
	_, _ = checksum.Write(content)
	return checksum.Sum(content)
}
