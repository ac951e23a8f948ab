package survey

import (
	"fmt"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/decode"
)

// decodeFile returns the certificates of a file of a target.
func decodeFile(file bundle.File, data string, origin certs.Origin) ([]certs.Certificate, error) {
	content, err := decode.File([]byte(data), []string{file.Password})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", origin, err)
	}
	certificates := make([]certs.Certificate, len(content.Entries))
	for i, entry := range content.Entries {
		certificates[i] = entry.Certificate
		certificates[i].Origin = certs.Origin{Object: origin.Object, Key: origin.Key, Block: i + 1}
	}
	return certificates, nil
}
