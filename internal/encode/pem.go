// Package encode turns the certificates of a bundle into the files that a
// target holds.
//
// What always holds: the same certificates and options give the same file, byte
// for byte, in every process; aliases and friendly names do not change with the
// compiler. The package does no input or output, asks for
// no time and logs nothing.
//
// It does not decide which files a target wants: that is package target.
package encode

import (
	"bytes"
	"encoding/pem"

	"trust-manager.io/internal/certs"
)

// pemPerDER is the size of a PEM block for one byte of DER, rounded up: 4
// characters for 3 bytes, and a line end for 64 characters.
const pemPerDER = 1.36

// pemFrame is the size of the BEGIN and END lines of a block.
const pemFrame = 60

// PEM gives one file of CERTIFICATE blocks (RFC 7468) in the order given: 64
// columns, LF, no comments, one block after another, a newline at the end (T1).
func PEM(certificates []certs.Certificate) []byte {
	size := 0
	for _, certificate := range certificates {
		size += int(float64(len(certificate.DER))*pemPerDER) + pemFrame
	}
	var file bytes.Buffer
	file.Grow(size)
	for _, certificate := range certificates {
		// A bytes.Buffer takes every write, and there are no headers that
		// could be refused, so there is no error to look at.
		_ = pem.Encode(&file, &pem.Block{Type: "CERTIFICATE", Bytes: certificate.DER})
	}
	return file.Bytes()
}
