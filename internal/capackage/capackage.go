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

	"trust-manager.io/internal/certs"
)

// MaxSize is the maximum size of a package in bytes of JSON: twice the 8 MiB of PEM
// text that package certs reads, because JSON escapes line breaks and a few other
// characters.
const MaxSize = 16 << 20

// maxIDLength is the limit that the Bundle API sets on
// status.defaultCAVersion, in characters.
const maxIDLength = 253

// idDigestLength is the number of hexadecimal digits of the bundle's digest in the ID.
const idDigestLength = 16

// Package is a named, versioned set of CA certificates.
type Package struct {
	// Name is the origin of the certificates, such as "mozilla".
	Name string `json:"name"`
	// Version distinguishes packages with the same name, such as "20261030". Versions
	// have no order: any text of printable characters is valid.
	Version string `json:"version"`
	// Bundle is the PEM text, unchanged from the file.
	Bundle string `json:"bundle"`
}

// ID returns <name>-<version>-<first 16 hexadecimal digits of the SHA-256 of the bundle
// text>, the value of status.defaultCAVersion of a Bundle.
func (p Package) ID() string {
	sum := sha256.Sum256([]byte(p.Bundle))
	return p.Name + "-" + p.Version + "-" + hex.EncodeToString(sum[:])[:idDigestLength]
}

// Certificates returns the certificates of the bundle. It returns an error if the text is
// invalid, or has no certificate or a nonconforming one, which no Bundle could use without
// a filter: the operator then does not use the package.
func (p Package) Certificates() (certs.Result, error) {
	parsed, problem := certs.Parse(p.Bundle, certs.Origin{Object: "default CA package " + p.ID()})
	switch {
	case problem != nil:
		return certs.Result{}, problem
	case parsed.OtherEncoding.Description != "":
		return certs.Result{}, fmt.Errorf("its bundle: %s", parsed.OtherEncoding.Description)
	case len(parsed.Certificates) == 0:
		return certs.Result{}, errors.New("its bundle contains no certificates")
	}
	for i := range parsed.Certificates {
		if certificate := &parsed.Certificates[i]; certificate.Nonconforming != "" {
			return certs.Result{}, fmt.Errorf("%s: the certificate does not conform to RFC 5280 or is not supported: %s",
				certificate.Origin, certificate.Nonconforming)
		}
	}
	return parsed, nil
}

// Parse returns the package in data, the content of a whole file.
//
// It ignores fields other than name, version and bundle, so that packages of other
// tools load. Otherwise it is strict: it returns an error, which names the field if
// there is one, if data is too large, is not UTF-8, is not exactly one JSON object, or
// has a duplicate or missing field. If Parse returns an error, the Package is empty.
func Parse(data []byte) (Package, error) {
	if len(data) > MaxSize {
		return Package{}, tooLarge(len(data))
	}
	if !utf8.Valid(data) {
		return Package{}, errors.New("the CA package is not UTF-8 text, which JSON requires")
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

// Encode returns p as one line of JSON that ends with a newline. The result is
// deterministic. Encode returns an error for a package that [Parse] would reject.
func Encode(p Package) ([]byte, error) {
	if err := p.validate(); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	// People read the file as well, and it is never embedded in HTML.
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

// objectFields returns the fields of data, which must be exactly one JSON object. It
// reads token by token because [json.Unmarshal] accepts duplicate fields, and two
// readers of such a file could disagree on which certificates are trusted.
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
		return nil, fmt.Errorf("unexpected data after its end, at byte %d", decoder.InputOffset())
	}
	return fields, nil
}

// readField adds the next field of decoder to fields.
func readField(decoder *json.Decoder, fields map[string]json.RawMessage) error {
	key, err := decoder.Token()
	if err != nil {
		return orTruncated(err)
	}
	var value json.RawMessage
	if err := decoder.Decode(&value); err != nil {
		return orTruncated(err)
	}
	name, _ := key.(string) // the decoder accepts only strings as keys
	if _, isDuplicate := fields[name]; isDuplicate {
		return fmt.Errorf("duplicate field %q", name)
	}
	fields[name] = value
	return nil
}

// orTruncated replaces an end-of-file error, the most frequent one, by a clear message.
func orTruncated(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("unexpected end; the file is empty or truncated")
	}
	return err
}

// fromFields returns the package in fields. It ignores unknown fields.
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

// validate returns an error for the first field that violates the format.
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
		return fmt.Errorf("fields \"name\" and \"version\" of the CA package are too long: its ID has %d characters, the limit is %d", n, maxIDLength)
	}
	return nil
}

// checkIDPart rejects a name or version that cannot be displayed on one line of a
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
