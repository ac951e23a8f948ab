package certs

import (
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// attribute is one AttributeTypeAndValue of a subject.
type attribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

// relativeNameSET is a RelativeDistinguishedName. It is a SET in ASN.1, which
// encoding/asn1 recognizes by the suffix of the type's name.
type relativeNameSET []attribute

// keyword is an attribute type below 2.5.4 (X.520) that is written by name.
type keyword struct {
	arc  int
	name string
	// lastOnly is true if only the last value counts.
	lastOnly bool
}

// keywords are in the order of the output, whatever their order in the certificate.
var keywords = [...]keyword{
	{arc: 5, name: "SERIALNUMBER", lastOnly: true},
	{arc: 3, name: "CN", lastOnly: true},
	{arc: 11, name: "OU"},
	{arc: 10, name: "O"},
	{arc: 17, name: "POSTALCODE"},
	{arc: 9, name: "STREET"},
	{arc: 7, name: "L"},
	{arc: 8, name: "ST"},
	{arc: 6, name: "C"},
}

// Subject renders the DER of a Name (RFC 5280, 4.1.2.4) like RFC 4514. Key stores use
// the result in the names of their entries, users look entries up by it, and exclusions
// match certificates by it. So the rules are defined here and do not depend on the
// standard library, whose rendering differs between Go releases:
//
//   - Attributes with a keyword come first, grouped in the order SERIALNUMBER, CN, OU,
//     O, POSTALCODE, STREET, L, ST, C. Values of one keyword keep the order of the
//     certificate, joined by "+". If there are several SERIALNUMBERs or CNs, only the
//     last one counts, and it is omitted if it is empty.
//   - All other attributes follow in reverse order, as dotted numbers, "=#" and the
//     hexadecimal DER of their text: a PrintableString if the text allows it and a
//     UTF8String otherwise, regardless of the original encoding.
//   - A backslash precedes each of , + " \ < > ; and a space at either end and a # at
//     the start of a value.
//   - NUL, and each UTF-8 byte of a character outside the Basic Multilingual Plane, is
//     written as a backslash and two hexadecimal digits (RFC 4514, 2.4): neither Java
//     nor PKCS#12 strings can hold them in a form that all readers accept. No other
//     character is changed.
//   - A value that is not text, or not valid in its encoding, is written as "#" and
//     the hexadecimal DER of the unchanged value.
//
// Except for the last two rules this is what Go 1.26 returns for a pkix.Name.
func Subject(der []byte) (string, error) {
	var names []relativeNameSET
	rest, err := asn1.Unmarshal(der, &names)
	if err != nil || len(rest) > 0 {
		return "", errors.New("the subject is not a Name in DER")
	}
	attributes := slices.Concat(names...)
	var parts []string
	for _, keyword := range keywords {
		if values := keyword.format(attributes); len(values) > 0 {
			parts = append(parts, strings.Join(values, "+"))
		}
	}
	for _, attribute := range slices.Backward(attributes) {
		if attribute.hasKeyword() {
			continue
		}
		value, err := formatDER(attribute.Value)
		if err != nil {
			return "", err
		}
		parts = append(parts, attribute.Type.String()+"="+value)
	}
	return strings.Join(parts, ","), nil
}

// format returns the attributes of this type as "keyword=value".
func (k keyword) format(attributes []attribute) []string {
	var values []string
	for _, attribute := range attributes {
		if attribute.is(k.arc) {
			values = append(values, k.name+"="+formatValue(attribute.Value))
		}
	}
	if !k.lastOnly || len(values) == 0 {
		return values
	}
	last := values[len(values)-1:]
	if last[0] == k.name+"=" {
		return nil
	}
	return last
}

func (a attribute) is(arc int) bool {
	return a.Type.Equal(asn1.ObjectIdentifier{2, 5, 4, arc})
}

func (a attribute) hasKeyword() bool {
	return slices.ContainsFunc(keywords[:], func(k keyword) bool { return a.is(k.arc) })
}

// formatValue returns a value as escaped text, or as hexadecimal DER if it is not text.
func formatValue(value asn1.RawValue) string {
	if text, ok := decodeString(value); ok {
		return escape(text)
	}
	return "#" + hex.EncodeToString(value.FullBytes)
}

// formatDER returns a value as hexadecimal DER, with text in one of two encodings.
func formatDER(value asn1.RawValue) (string, error) {
	der := value.FullBytes
	if text, ok := decodeString(value); ok {
		tag := asn1.TagPrintableString
		if strings.ContainsFunc(text, isNotPrintable) {
			tag = asn1.TagUTF8String
		}
		var err error
		if der, err = asn1.Marshal(asn1.RawValue{Tag: tag, Bytes: []byte(text)}); err != nil {
			return "", fmt.Errorf("the subject has a value that does not encode: %w", err)
		}
	}
	return "#" + hex.EncodeToString(der), nil
}

// isNotPrintable reports whether a PrintableString (X.680, 41.4) cannot hold the
// character.
func isNotPrintable(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return false
	}
	return !strings.ContainsRune(" '()+,-./:=?", r)
}

// decodeString returns the text of a string value; ok is false if the value is damaged
// or not of a supported string type.
func decodeString(value asn1.RawValue) (text string, ok bool) {
	if value.Class != asn1.ClassUniversal || value.IsCompound {
		return "", false
	}
	switch value.Tag {
	case asn1.TagUTF8String, asn1.TagPrintableString, asn1.TagIA5String, asn1.TagNumericString:
		return string(value.Bytes), utf8.Valid(value.Bytes)
	case asn1.TagT61String:
		return latin1(value.Bytes), true
	case asn1.TagBMPString:
		return twoByte(value.Bytes)
	default:
		return "", false
	}
}

// latin1 decodes a T61String (TeletexString) as ISO 8859-1, the encoding that
// certificates use under that type.
func latin1(bytes []byte) string {
	var text strings.Builder
	for _, b := range bytes {
		text.WriteRune(rune(b))
	}
	return text.String()
}

// twoByte decodes a BMPString: two bytes per character, high byte first, with an
// optional NUL at the end. Surrogates are not characters.
func twoByte(bytes []byte) (string, bool) {
	if len(bytes)%2 != 0 {
		return "", false
	}
	var text strings.Builder
	for i := 0; i < len(bytes); i += 2 {
		r := rune(bytes[i])<<8 | rune(bytes[i+1])
		if utf16.IsSurrogate(r) {
			return "", false
		}
		text.WriteRune(r)
	}
	return strings.TrimSuffix(text.String(), "\x00"), true
}

// MaxBMP is the last character of the Basic Multilingual Plane.
const MaxBMP = '\uffff'

// escape escapes a value so that its end is unambiguous and all key stores can hold its
// characters.
func escape(value string) string {
	var text strings.Builder
	for i, r := range value {
		switch {
		case r == 0 || r > MaxBMP:
			for _, b := range []byte(string(r)) {
				fmt.Fprintf(&text, `\%02x`, b)
			}
			continue
		case strings.ContainsRune(`,+"\<>;`, r),
			r == ' ' && (i == 0 || i == len(value)-1),
			r == '#' && i == 0:
			text.WriteByte('\\')
		}
		text.WriteRune(r)
	}
	return text.String()
}
