package encode

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // what the format is sealed with
	"encoding/binary"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/pavlo-v-chernykh/keystore-go/v4"

	"trust-manager.io/internal/certs"
)

// maxPassword is the largest number of characters of a store's password, as in
// the API.
const maxPassword = 128

// JKS gives a Java KeyStore (version 2) with one trusted-certificate entry for
// each certificate: alias `<first 8 hex of the DER's SHA-256>|<subject>` in
// lower case, sorted by alias, entry date = the certificate's NotBefore (T2).
// The same set of certificates and the same password give the same bytes,
// whatever the order.
//
// The password has 1 to 128 characters. It encrypts nothing: it seals the store
// against accidental change. The seal is over the UTF-16 of the password, as
// Java makes it, so that a password need not be ASCII.
//
// An error says which certificate cannot be stored, by its origin, or that the
// password is out of bounds.
func JKS(certificates []certs.Certificate, password string) ([]byte, error) {
	if length := utf8.RuneCountInString(password); length < 1 || length > maxPassword {
		return nil, fmt.Errorf("JKS: the password must have 1 to %d characters", maxPassword)
	}
	list, err := entries(certificates)
	if err != nil {
		return nil, fmt.Errorf("JKS: %w", err)
	}
	// Aliases are in lower case already: the library would change their case by
	// the Unicode version of the compiler.
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
	return sealed(file.Bytes(), password), nil
}

// sealed puts Java's seal at the end of a store, in place of the one that is
// there: the SHA-1 of the password in UTF-16 (high byte first), a fixed text,
// and the store. The library takes each byte of a password for a character.
func sealed(store []byte, password string) []byte {
	content := store[:len(store)-sha1.Size]
	seal := sha1.New() //nolint:gosec // what the format is sealed with
	for _, unit := range utf16.Encode([]rune(password)) {
		_, _ = seal.Write(binary.BigEndian.AppendUint16(nil, unit)) // a hash takes every write
	}
	_, _ = seal.Write([]byte("Mighty Aphrodite"))
	_, _ = seal.Write(content)
	return seal.Sum(content)
}
