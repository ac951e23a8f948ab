package encode

import (
	"fmt"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
)

// Store returns a key store with the given format, password and profile; see [JKS] and
// [PKCS12].
func Store(store bundle.Store, certificates []certs.Certificate) ([]byte, error) {
	switch store.Format {
	case bundle.JKS:
		return JKS(certificates, store.Password)
	case bundle.PKCS12:
		return PKCS12(certificates, store.Password, Profile(store.Profile))
	default:
		return nil, fmt.Errorf("there is no key store format %q", string(store.Format))
	}
}
