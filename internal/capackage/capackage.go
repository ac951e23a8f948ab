// Package capackage is the file format of a default CA package: a JSON object
// (RFC 8259) that carries PEM text under a name and a version.
//
//	{"name": "mozilla", "version": "20261030", "bundle": "-----BEGIN CERTIFICATE-----\n…"}
//
// What always holds: a [Package] that [Parse] returns can be written with
// [Encode] and read back equal, and its [Package.ID] fits into a Bundle's
// status. The package does not look into the bundle: whether the text holds
// certificates, and which, is for internal/certs to say.
package capackage

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxSize is the largest package, in bytes of JSON: twice the 8 MiB of PEM text
// that internal/certs reads, since JSON escapes line ends and a few characters
// more.
const MaxSize = 16 << 20

// maxIDLength is the limit that the Bundle API sets on
// status.defaultCAVersion, in characters.
const maxIDLength = 253

// idDigestLength is how many hexadecimal characters of the bundle's digest
// the id shows.
const idDigestLength = 16

// Package is a named, versioned set of CA certificates.
type Package struct {
	// Name says where the certificates come from, such as "mozilla".
	Name string `json:"name"`
	// Version tells packages of one name apart, such as "20261030". It is
	// compared with nothing: any text of printable characters will do.
	Version string `json:"version"`
	// Bundle is PEM text, as it stands in the file.
	Bundle string `json:"bundle"`
}

// ID returns <name>-<version>-<first 16 hexadecimal digits of the SHA-256 of
// the bundle text>, the form shown as status.defaultCAVersion of a Bundle.
func (p Package) ID() string {
	sum := sha256.Sum256([]byte(p.Bundle))
	return p.Name + "-" + p.Version + "-" + hex.EncodeToString(sum[:])[:idDigestLength]
}

// Parse reads one package from data, which is the whole file.
//
// Fields other than name, version and bundle are ignored, so packages made by
// other tools load. Everything else is strict: data that is too large, is not
// UTF-8, is not exactly one JSON object, names a field twice, or lacks one of
// the three is an error that says what is wrong and in which field. On an
// error the Package is empty.
func Parse(data []byte) (Package, error) {
	if len(data) > MaxSize {
		return Package{}, tooLarge(len(data))
	}
	if !utf8.Valid(data) {
		return Package{}, errors.New("the CA package is not UTF-8 text, which JSON has to be")
	}
	fields, err := objectFields(data)
	if err != nil {
		return Package{}, fmt.Errorf("the CA package is not one JSON object: %w", err)
	}
	p, err := fromFields(fields)
	if err != nil {
		return Package{}, err
	}
	if err := p.validate(); err != nil {
		return Package{}, err
	}
	return p, nil
}

// Encode writes p as one line of JSON that ends with a newline. The same p
// always gives the same bytes. A package that Parse would refuse is an error.
func Encode(p Package) ([]byte, error) {
	if err := p.validate(); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	// The file is read by people too, and is never part of an HTML page.
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(p); err != nil {
		return nil, fmt.Errorf("encode the CA package: %w", err)
	}
	if out.Len() > MaxSize {
		return nil, tooLarge(out.Len())
	}
	return out.Bytes(), nil
}

func tooLarge(size int) error {
	return fmt.Errorf("the CA package has %d bytes, the limit is %d", size, MaxSize)
}

// objectFields splits data, which must be one JSON object and nothing after
// it, into its fields. It goes token by token because json.Unmarshal lets a
// field that comes twice pass, and two readers of such a file could then
// disagree on what is trusted.
func objectFields(data []byte) (map[string]json.RawMessage, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	if start, err := decoder.Token(); err != nil {
		return nil, orTruncated(err)
	} else if start != json.Delim('{') {
		return nil, errors.New(`it must begin with "{"`)
	}
	fields := map[string]json.RawMessage{}
	for decoder.More() {
		if err := readField(decoder, fields); err != nil {
			return nil, err
		}
	}
	if _, err := decoder.Token(); err != nil {
		return nil, orTruncated(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("there is more after its end at byte %d", decoder.InputOffset())
	}
	return fields, nil
}

// readField adds the next field to fields.
func readField(decoder *json.Decoder, fields map[string]json.RawMessage) error {
	key, err := decoder.Token()
	if err != nil {
		return orTruncated(err)
	}
	var value json.RawMessage
	if err := decoder.Decode(&value); err != nil {
		return orTruncated(err)
	}
	name, _ := key.(string) // the decoder accepts nothing else as a key
	if _, twice := fields[name]; twice {
		return fmt.Errorf("field %q is there twice", name)
	}
	fields[name] = value
	return nil
}

// orTruncated names the most frequent damage for what it is.
func orTruncated(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it ends too early; the file is empty or cut off")
	}
	return err
}

// fromFields picks the three fields and leaves the others alone.
func fromFields(fields map[string]json.RawMessage) (Package, error) {
	var p Package
	for _, field := range []struct {
		name string
		into *string
	}{{"name", &p.Name}, {"version", &p.Version}, {"bundle", &p.Bundle}} {
		value, ok := fields[field.name]
		if !ok {
			return Package{}, fmt.Errorf("field %q of the CA package is missing", field.name)
		}
		if value[0] != '"' {
			return Package{}, fmt.Errorf("field %q of the CA package must be a string", field.name)
		}
		if err := json.Unmarshal(value, field.into); err != nil {
			return Package{}, fmt.Errorf("field %q of the CA package: %w", field.name, err)
		}
	}
	return p, nil
}

// validate reports the first field that breaks the format's rules.
func (p Package) validate() error {
	if err := checkIDPart("name", p.Name); err != nil {
		return err
	}
	if err := checkIDPart("version", p.Version); err != nil {
		return err
	}
	if !utf8.ValidString(p.Bundle) {
		return errors.New(`field "bundle" of the CA package is not UTF-8 text`)
	}
	if strings.TrimSpace(p.Bundle) == "" {
		return errors.New(`field "bundle" of the CA package is empty; it must hold PEM text`)
	}
	if n := utf8.RuneCountInString(p.ID()); n > maxIDLength {
		return fmt.Errorf("fields \"name\" and \"version\" of the CA package are too long: its id has %d characters, the limit is %d", n, maxIDLength)
	}
	return nil
}

// checkIDPart holds name and version to what can be shown on one line of a
// status, a log or a terminal.
func checkIDPart(field, value string) error {
	if strings.TrimSpace(value) == "" {
		return fmt.Errorf("field %q of the CA package is empty", field)
	}
	if !utf8.ValidString(value) {
		return fmt.Errorf("field %q of the CA package is not UTF-8 text", field)
	}
	for _, r := range value {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("field %q of the CA package has the unprintable character %U", field, r)
		}
	}
	return nil
}
