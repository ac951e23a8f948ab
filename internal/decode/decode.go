package decode

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"trust-manager.io/internal/capackage"
	"trust-manager.io/internal/certs"
)

// MaxSize is the largest file that [File] reads, in bytes: the limit of a CA package. A Kubernetes
// object is much smaller.
const MaxSize = capackage.MaxSize

// Format is a format of files of certificates, as users know it.
type Format string

// The formats.
const (
	PEM       Format = "PEM"
	DER       Format = "DER"
	PKCS7     Format = "PKCS#7"
	JKS       Format = "JKS"
	JCEKS     Format = "JCEKS"
	PKCS12    Format = "PKCS#12"
	CAPackage Format = "CA package"
)

// Role is what a certificate is to a key store.
type Role string

// The roles. Formats other than key stores have none.
const (
	NoRole Role = ""
	// Trusted is a certificate that Java trusts: a trustedCertEntry.
	Trusted Role = "trusted"
	// Chain is a certificate that belongs to a private key of the store.
	Chain Role = "chain of a private key"
	// Unmarked is a certificate of a PKCS#12 store that is neither of the two. Java ignores it.
	Unmarked Role = "not marked as trusted"
)

// Entry is a certificate of a file.
type Entry struct {
	Certificate certs.Certificate
	// Alias is the name of the entry in a key store: of the certificate, or of the private key to
	// whose chain it belongs. It may have any characters.
	Alias string
	Role  Role
}

// Other counts what a file has besides certificates.
type Other struct {
	// Kind is a singular noun, such as "private key".
	Kind  string
	Count int
}

// Content is what is in a file.
type Content struct {
	Format Format
	// Encodings are the encodings of text that surround the format, the outermost first:
	// "base64" or "UTF-16".
	Encodings []string
	// Package is the CA package without its text, or nil. ID is its ID.
	Package *capackage.Package
	ID      string
	// Entries are in the order of the file.
	Entries []Entry
	// Others are in the order of their first occurrence.
	Others []Other
	// Password describes the password that opens a key store, for users. It is empty for other
	// formats.
	Password string
	// Notes are remarks for users.
	Notes []string
}

// Description returns the format with its encodings, such as "PEM in base64".
func (c *Content) Description() string {
	parts := append(slices.Clone(c.Encodings), string(c.Format))
	slices.Reverse(parts)
	return strings.Join(parts, " in ")
}

func (c *Content) count(kind string) {
	for i := range c.Others {
		if c.Others[i].Kind == kind {
			c.Others[i].Count++
			return
		}
	}
	c.Others = append(c.Others, Other{Kind: kind, Count: 1})
}

func (c *Content) note(format string, args ...any) {
	c.Notes = append(c.Notes, fmt.Sprintf(format, args...))
}

// ErrUnknown is the error for a file whose format is not recognized. The text of the error that
// wraps it describes what the file looks like.
var ErrUnknown = errors.New("the format is unknown")

// maxEncodings is how many encodings may surround a format. A Secret in a manifest has one, and a
// value that was encoded by hand before has two.
const maxEncodings = 3

// File returns the content of a file, whose format it detects. The passwords are tried in order,
// and after them the usual ones: none, "changeit" and "password". If none of them fits, the
// error is [ErrPassword]; if the format is unknown, it is [ErrUnknown].
func File(data []byte, passwords []string) (Content, error) {
	if len(data) > MaxSize {
		return Content{}, fmt.Errorf("the file has %d bytes, the limit is %d", len(data), MaxSize)
	}
	if len(bytes.TrimRight(data, "\x00\x1a \t\r\n")) == 0 {
		return Content{}, errors.New("the file is empty")
	}
	r := &reader{passwords: candidates(passwords), budget: budget{left: MaxIterations}}
	if err := r.read(data); err != nil {
		return Content{}, err
	}
	return r.content, nil
}

// reader collects the content of one file.
type reader struct {
	content   Content
	passwords []candidate
	budget    budget
	// blocks is how many PEM blocks have been read.
	blocks int
}

func (r *reader) read(data []byte) error {
	switch {
	case isJKS(data):
		return r.readJKS(data)
	case isDER(data):
		return r.readDER(data)
	case isUTF16(data):
		return r.readEncoded("UTF-16", decodeUTF16(data))
	case isJSON(data):
		return r.readPackage(data)
	case bytes.Contains(data, []byte(beginLabel)):
		r.content.Format = PEM
		return r.readPEM(string(data))
	}
	if decoded, ok := decodeBase64(data); ok {
		// A text without punctuation may be base64 by accident.
		if err := r.readEncoded("base64", decoded); !errors.Is(err, ErrUnknown) {
			return err
		}
	}
	// A damaged BEGIN line is a better explanation than an unknown format.
	if _, problem := certs.Parse(string(data), certs.Origin{}); problem != nil {
		return problem
	}
	return fmt.Errorf("%w: %s", ErrUnknown, describe(data))
}

// readEncoded reads what an encoding surrounds.
func (r *reader) readEncoded(encoding string, data []byte) error {
	if len(r.content.Encodings) == maxEncodings {
		return fmt.Errorf("%w: it is encoded more than %d times", ErrUnknown, maxEncodings)
	}
	if len(data) == 0 {
		return errors.New("the file is empty")
	}
	r.content.Encodings = append(r.content.Encodings, encoding)
	err := r.read(data)
	if errors.Is(err, ErrUnknown) {
		r.content.Encodings = r.content.Encodings[:len(r.content.Encodings)-1]
	}
	return err
}

func isJSON(data []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(data, "\ufeff \t\r\n"), []byte("{"))
}

// readPackage reads a CA package. It reads certificates that the operator refuses as well, and
// says so.
func (r *reader) readPackage(data []byte) error {
	p, err := capackage.Parse(bytes.TrimPrefix(data, []byte("\ufeff")))
	if err != nil {
		return fmt.Errorf("%w: it is JSON, but not a CA package: %w", ErrUnknown, err)
	}
	r.content.Format, r.content.ID = CAPackage, p.ID()
	r.content.Package = &capackage.Package{Name: p.Name, Version: p.Version}
	if _, err := p.Certificates(); err != nil {
		r.content.note("the operator refuses this package: %v", err)
	}
	return r.readPEM(p.Bundle)
}

// add adds a certificate in DER.
func (r *reader) add(der []byte, alias string, role Role) error {
	list, err := certs.ParseDER(der)
	switch {
	case err != nil:
		return err
	case len(list) != 1:
		return errors.New("there is more or less than one certificate where one is expected")
	}
	r.content.Entries = append(r.content.Entries, Entry{list[0], alias, role})
	return nil
}

// unknownFormats maps the beginnings of files that have no readable certificates to what they
// are, and what to do.
var unknownFormats = []struct{ prefix, description string }{
	{"PK\x03\x04", "it looks like a ZIP or JAR archive; extract it first"},
	{"\x1f\x8b", "it looks like gzip; decompress it first"},
	{"\x00\x00\x00\x01", bouncyCastle},
	{"\x00\x00\x00\x02", bouncyCastle},
	{"ssh-", "it looks like a public key of OpenSSH, which is not a certificate"},
	{"ecdsa-", "it looks like a public key of OpenSSH, which is not a certificate"},
	{"PuTTY-", "it looks like a private key of PuTTY, which is not a certificate"},
	{"<", "it looks like HTML or XML, such as the error page of a web server"},
	{"%PDF", "it looks like a PDF document"},
	{"\x7fELF", "it looks like a program"},
}

const bouncyCastle = "it may be a store of Bouncy Castle; convert it with `keytool -importkeystore -deststoretype PKCS12`"

// describe returns what a file of an unknown format looks like, and what to do.
func describe(data []byte) string {
	text := strings.TrimLeft(string(data), "\ufeff \t\r\n")
	for _, format := range unknownFormats {
		if strings.HasPrefix(text, format.prefix) {
			return format.description
		}
	}
	if strings.Contains(text, "apiVersion:") {
		return "it looks like a manifest without a certificate"
	}
	if isText(data) {
		return "it is text without a BEGIN CERTIFICATE line; certificates are read as PEM, DER, PKCS#7, JKS, PKCS#12 or a CA package"
	}
	return "it is binary, but neither DER, PKCS#7, JKS nor PKCS#12; it may be damaged, for example by a transfer as text"
}
