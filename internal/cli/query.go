package cli

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/decode"
)

// query selects certificates.
type query struct {
	// certificates are those of a file; otherwise, matches selects them.
	certificates []certs.Certificate
	matches      func(*certs.Certificate) bool
}

// minDigits is the least number of digits of a fingerprint or key ID that names a certificate.
const minDigits = 8

// newQuery parses an argument.
func newQuery(stdin io.Reader, arg string, password passwordFlags) (query, error) {
	digits := strings.ToLower(strings.ReplaceAll(arg, ":", ""))
	if len(digits) >= minDigits && len(digits) <= 2*sha256.Size && strings.Trim(digits, "0123456789abcdef") == "" {
		return query{matches: func(c *certs.Certificate) bool {
			return strings.HasPrefix(c.SHA256(), digits) || strings.HasPrefix(keyID(c), digits)
		}}, nil
	}
	isSubject, err := isSubject(arg)
	switch {
	case err != nil:
		return query{}, err
	case isSubject:
		part := strings.ToLower(arg)
		return query{matches: func(c *certs.Certificate) bool { return strings.Contains(strings.ToLower(c.Subject()), part) }}, nil
	}
	data, err := readFile(stdin, arg)
	if err != nil {
		return query{}, err
	}
	passwords, err := password.read()
	if err != nil {
		return query{}, err
	}
	content, err := decode.File(data, passwords)
	if err == nil && len(content.Entries) == 0 {
		err = errors.New("the file has no certificate")
	}
	if err != nil {
		return query{}, fmt.Errorf("%s: %w", arg, err)
	}
	certificates := certificatesIn(content, certs.Origin{Object: arg})
	return query{certificates: certificates}, nil
}

// fileExtensions are the ends of names of files with certificates.
var fileExtensions = []string{".pem", ".crt", ".cer", ".der", ".jks", ".p12", ".pfx"}

// isSubject reports whether an argument is a part of a subject: no file has its name, and it does not
// look like the name of a file.
func isSubject(arg string) (bool, error) {
	if arg == "-" {
		return false, nil
	}
	info, err := os.Stat(arg)
	looksLikeFile := strings.Contains(arg, "/") || slices.Contains(fileExtensions, strings.ToLower(filepath.Ext(arg)))
	switch {
	case err == nil && !info.IsDir():
		return false, nil
	case err == nil && looksLikeFile:
		return false, fmt.Errorf("%s: is a directory", arg)
	case errors.Is(err, fs.ErrNotExist) && looksLikeFile:
		return false, fmt.Errorf("%s: no such file", arg)
	}
	return true, nil // a directory, or a text that is no path
}

// keyID returns the subject key identifier of a certificate in hexadecimal digits, or "" if it has none.
func keyID(certificate *certs.Certificate) string {
	parsed, err := x509.ParseCertificate(certificate.DER)
	if err != nil {
		return ""
	}
	return hex.EncodeToString(parsed.SubjectKeyId)
}
