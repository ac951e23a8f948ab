// Package keystore reads the trust stores that targets contain.
package keystore

import (
	"bytes"
	"crypto/sha256"
	"encoding/asn1"
	"fmt"
	"sync"

	"github.com/pavlo-v-chernykh/keystore-go/v4"
	"software.sslmate.com/src/go-pkcs12"

	"trust-manager.io/test/framework/ca"
)

// Formats of trust stores.
const (
	JKS    = "JKS"
	PKCS12 = "PKCS#12"
)

// Store is what a trust store contains.
type Store struct {
	// Certificates are PEM blocks, in the order of the store.
	Certificates []string
	// Profile is that of a PKCS#12 store, empty if nothing in it is encrypted.
	Profile string
}

// id identifies a file and the password with which it is read.
type id struct {
	file     [sha256.Size]byte
	password string
}

// known caches stores: deriving a key takes milliseconds, and all targets of a Bundle
// contain the same file.
var known sync.Map

// Read returns the content of a trust store.
func Read(format, file, password string) (Store, error) {
	at := id{sha256.Sum256([]byte(file)), password}
	if store, ok := known.Load(at); ok {
		return store.(Store), nil
	}
	read := readPKCS12
	if format == JKS {
		read = readJKS
	}
	store, err := read([]byte(file), password)
	if err != nil {
		return Store{}, fmt.Errorf("reading a %s store of %d bytes: %w", format, len(file), err)
	}
	known.Store(at, store)
	return store, nil
}

func readJKS(file []byte, password string) (Store, error) {
	var store Store
	entries := keystore.New(keystore.WithCaseExactAliases())
	if err := entries.Load(bytes.NewReader(file), []byte(password)); err != nil {
		return store, err
	}
	for _, alias := range entries.Aliases() {
		entry, err := entries.GetTrustedCertificateEntry(alias)
		if err != nil {
			return store, fmt.Errorf("entry %q: %w", alias, err)
		}
		store.Certificates = append(store.Certificates, ca.PEM(entry.Certificate.Content))
	}
	return store, nil
}

// algorithms are those that encrypt the certificates, by profile.
var algorithms = map[string]asn1.ObjectIdentifier{
	"LegacyRC2":  {1, 2, 840, 113549, 1, 12, 1, 6}, // pbeWithSHAAnd40BitRC2-CBC
	"LegacyDES":  {1, 2, 840, 113549, 1, 12, 1, 3}, // pbeWithSHAAnd3-KeyTripleDES-CBC
	"Modern2023": {1, 2, 840, 113549, 1, 5, 13},    // PBES2
}

func readPKCS12(file []byte, password string) (Store, error) {
	var store Store
	certificates, err := pkcs12.DecodeTrustStore(file, password)
	if err != nil {
		return store, err
	}
	for _, certificate := range certificates {
		store.Certificates = append(store.Certificates, ca.PEM(certificate.Raw))
	}
	for profile, algorithm := range algorithms {
		encoded, err := asn1.Marshal(algorithm)
		if err != nil {
			return store, err
		}
		if bytes.Contains(file, encoded) {
			store.Profile += profile
		}
	}
	return store, nil
}
