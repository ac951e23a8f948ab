package encode

import (
	"bytes"
	"encoding/pem"

	"trust-manager.io/internal/certs"
)

// pemPerDER is the size of a PEM block per byte of DER, rounded up: 4 characters for 3
// bytes, and a line end for 64 characters.
const pemPerDER = 1.36

// pemFrame is the size of the BEGIN and END lines of a block.
const pemFrame = 60

// PEM returns a file of CERTIFICATE blocks (RFC 7468) in the order given: 64 columns,
// LF, no comments, no blank lines, a newline at the end (T1).
func PEM(certificates []certs.Certificate) []byte {
	size := 0
	for _, certificate := range certificates {
		size += int(float64(len(certificate.DER))*pemPerDER) + pemFrame
	}
	var file bytes.Buffer
	file.Grow(size)
	for _, certificate := range certificates {
		// This cannot fail: a bytes.Buffer accepts every write, and there are no
		// headers that could be invalid.
		_ = pem.Encode(&file, &pem.Block{Type: "CERTIFICATE", Bytes: certificate.DER})
	}
	return file.Bytes()
}
