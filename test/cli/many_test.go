package cli

import (
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"trust-manager.io/test/framework/ca"
)

// writeMany writes the file many.pem, with more certificates than explain explains.
func writeMany(dir string) error {
	var text strings.Builder
	for number := range int64(11) {
		root := ca.Fixed(100+number, func(template *x509.Certificate) { template.Subject.CommonName = fmt.Sprintf("Many %02d", number) })
		text.WriteString(root.Certificate)
	}
	return os.WriteFile(filepath.Join(dir, "many.pem"), []byte(text.String()), 0o600)
}
