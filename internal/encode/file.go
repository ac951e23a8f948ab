package encode

import (
	"fmt"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
)

// File returns the content of a file: the certificates in its format, with its password
// and profile; see [PEM], [JKS] and [PKCS12].
func File(file bundle.File, certificates []certs.Certificate) ([]byte, error) {
	switch file.Format {
	case bundle.PEM:
		return PEM(certificates), nil
	case bundle.JKS:
		return JKS(certificates, file.Password)
	case bundle.PKCS12:
		return PKCS12(certificates, file.Password, Profile(file.Profile))
	default:
		return nil, fmt.Errorf("there is no file format %q", string(file.Format))
	}
}
