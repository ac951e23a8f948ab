package certs

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // OpenSSL defines the hash so; it only names files
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"unicode/utf16"
	"unicode/utf8"
)

// tagUniversalString is the tag of a string type that encoding/asn1 does not name.
const tagUniversalString = 28

// OpenSSLHash returns the hash of the subject by which OpenSSL finds the certificate in a directory
// such as /etc/ssl/certs: 8 hexadecimal digits, as `openssl x509 -hash` prints them, which is the name
// of the file before the dot. It is the start of the SHA-1 of the canonical form of the subject: text
// in UTF-8, with ASCII in lower case, and without white space at the ends or repeated white space.
func (c *Certificate) OpenSSLHash() (string, error) {
	var names []hashedNameSET
	if rest, err := asn1.Unmarshal(c.RawSubject, &names); err != nil || len(rest) > 0 {
		return "", errors.New("the subject is not a Name in DER")
	}
	digest := sha1.New() //nolint:gosec // see above
	for _, name := range names {
		set, err := canonicalSet(name)
		if err != nil {
			return "", err
		}
		_, _ = digest.Write(set) // never fails
	}
	return fmt.Sprintf("%08x", binary.LittleEndian.Uint32(digest.Sum(nil))), nil
}

// hashedNameSET is a RelativeDistinguishedName whose types are not decoded: OpenSSL hashes those that
// encoding/asn1 cannot hold too. encoding/asn1 recognizes the SET by the suffix of the name.
type hashedNameSET []struct {
	Type, Value asn1.RawValue
}

// canonicalSet returns the DER of a RelativeDistinguishedName with canonical values. The elements of a
// SET OF are sorted (X.690, 11.6).
func canonicalSet(name hashedNameSET) ([]byte, error) {
	var elements [][]byte
	for _, attribute := range name {
		if text, ok := canonicalText(attribute.Value); ok {
			attribute.Value = asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: text}
		}
		element, err := asn1.Marshal(attribute)
		if err != nil {
			return nil, fmt.Errorf("the subject has a value that does not encode: %w", err)
		}
		elements = append(elements, element)
	}
	slices.SortFunc(elements, bytes.Compare)
	return asn1.Marshal(asn1.RawValue{Tag: asn1.TagSet, IsCompound: true, Bytes: slices.Concat(elements...)})
}

// canonicalText returns the canonical form of a value; ok is false if OpenSSL leaves the value as it
// is: a NumericString, or no text.
func canonicalText(value asn1.RawValue) (text []byte, ok bool) {
	if value.Class != asn1.ClassUniversal || value.IsCompound {
		return nil, false
	}
	switch value.Tag {
	case asn1.TagUTF8String:
		text, ok = value.Bytes, true
	case asn1.TagT61String, asn1.TagPrintableString, asn1.TagIA5String: // OpenSSL reads ISO 8859-1
		for _, b := range value.Bytes {
			text = utf8.AppendRune(text, rune(b))
		}
		ok = true
	case asn1.TagBMPString:
		text, ok = fromUnits(value.Bytes, 2)
	case tagUniversalString:
		text, ok = fromUnits(value.Bytes, 4)
	}
	return canonicalSpace(text), ok
}

// fromUnits returns a text of big-endian units of a size in UTF-8.
func fromUnits(data []byte, size int) (text []byte, ok bool) {
	if len(data)%size != 0 {
		return nil, false
	}
	for unit := range slices.Chunk(data, size) {
		r := rune(0)
		for _, b := range unit {
			r = r<<8 | rune(b)
		}
		if utf16.IsSurrogate(r) || r > utf8.MaxRune || r < 0 {
			return nil, false
		}
		text = utf8.AppendRune(text, r)
	}
	return text, true
}

// asciiSpace is the white space of the C locale.
const asciiSpace = " \t\n\v\f\r"

// canonicalSpace returns a text in lower case, with single spaces between its words.
func canonicalSpace(text []byte) (canonical []byte) {
	text = bytes.Trim(text, asciiSpace)
	isAfterSpace := false
	for _, b := range text {
		isSpace := bytes.IndexByte([]byte(asciiSpace), b) >= 0
		switch {
		case isSpace && isAfterSpace:
			continue
		case isSpace:
			b = ' '
		case b >= 'A' && b <= 'Z':
			b += 'a' - 'A'
		}
		canonical, isAfterSpace = append(canonical, b), isSpace
	}
	return canonical
}
