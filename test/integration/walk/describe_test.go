package walk

import (
	"encoding/json"
	"fmt"
	"strings"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/model"
)

// describe returns a spec as JSON, with the numbers of the CAs instead of their
// certificates and fingerprints.
func describe(spec v1alpha1.BundleSpec) string {
	encoded, err := json.Marshal(spec)
	if err != nil {
		return err.Error()
	}
	text := string(encoded)
	for number, certificate := range authorities {
		name := fmt.Sprintf("<CA %d>", number)
		text = strings.ReplaceAll(text, strings.ReplaceAll(certificate, "\n", `\n`), name)
		text = strings.ReplaceAll(text, model.Fingerprint(certificate), name)
	}
	return text
}
