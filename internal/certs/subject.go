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

// attribute is one part of a subject: what kind it is, and what it says.
type attribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

// relativeNameSET is a RelativeDistinguishedName. It is a SET in ASN.1, which
// encoding/asn1 takes from the end of the type's name.
type relativeNameSET []attribute

// keyword is an attribute type beneath 2.5.4 (X.520) that is written by name.
type keyword struct {
	arc  int
	name string
	// once says that only the last value counts.
	once bool
}

// keywords are in the order in which they are written, wherever they stand in
// the certificate.
var keywords = [...]keyword{
	{arc: 5, name: "SERIALNUMBER", once: true},
	{arc: 3, name: "CN", once: true},
	{arc: 11, name: "OU"},
	{arc: 10, name: "O"},
	{arc: 17, name: "POSTALCODE"},
	{arc: 9, name: "STREET"},
	{arc: 7, name: "L"},
	{arc: 8, name: "ST"},
	{arc: 6, name: "C"},
}

// Subject renders the DER of a Name (RFC 5280, 4.1.2.4) in the manner of RFC
// 4514. Names in stores are made of it, users look entries up by them, and
// exclusions name certificates by it, so
// the rules are fixed here and nothing is left to the standard library, whose
// rendering differs between Go releases:
//
//   - Attributes with a keyword come first, grouped in the order SERIALNUMBER,
//     CN, OU, O, POSTALCODE, STREET, L, ST, C. Values of one keyword stand in
//     the order of the certificate, joined by "+". Of several SERIALNUMBERs or
//     CNs only the last counts, and an empty one is left out.
//   - All other attributes follow, last one first, as dotted numbers, "=#" and
//     the hexadecimal DER of their text: a PrintableString where the text
//     allows it and a UTF8String otherwise, whatever it was before.
//   - A backslash stands before each of , + " \ < > ; and before a space at
//     either end and a # at the start of a value.
//   - NUL, and each UTF-8 byte of a character outside the Basic Multilingual
//     Plane, is written as a backslash and two hexadecimal digits (RFC 4514,
//     2.4): neither Java's nor PKCS#12's strings can hold them in a form that
//     all readers take. No other character is touched.
//   - A value that is no text, or not valid in its encoding, is written as "#"
//     and the hexadecimal DER of the value as it stands.
//
// All but the last two is what Go 1.26 gives for a pkix.Name.
func Subject(der []byte) (string, error) {
	var names []relativeNameSET
	rest, err := asn1.Unmarshal(der, &names)
	if err != nil || len(rest) > 0 {
		return "", errors.New("the subject is not a Name in DER")
	}
	attributes := slices.Concat(names...)
	var parts []string
	for _, keyword := range keywords {
		if values := keyword.of(attributes); len(values) > 0 {
			parts = append(parts, strings.Join(values, "+"))
		}
	}
	for _, attribute := range slices.Backward(attributes) {
		if attribute.hasKeyword() {
			continue
		}
		value, err := hexadecimal(attribute.Value)
		if err != nil {
			return "", err
		}
		parts = append(parts, attribute.Type.String()+"="+value)
	}
	return strings.Join(parts, ","), nil
}

// of gives the attributes of this type as they are written.
func (k keyword) of(attributes []attribute) []string {
	var values []string
	for _, attribute := range attributes {
		if attribute.is(k.arc) {
			values = append(values, k.name+"="+readable(attribute.Value))
		}
	}
	if !k.once || len(values) == 0 {
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

// readable gives a value as text, or as a number where it is none.
func readable(value asn1.RawValue) string {
	if text, ok := decode(value); ok {
		return escape(text)
	}
	return "#" + hex.EncodeToString(value.FullBytes)
}

// hexadecimal gives a value as its DER, text in one of two encodings.
func hexadecimal(value asn1.RawValue) (string, error) {
	der := value.FullBytes
	if text, ok := decode(value); ok {
		tag := asn1.TagPrintableString
		if strings.ContainsFunc(text, unprintable) {
			tag = asn1.TagUTF8String
		}
		var err error
		if der, err = asn1.Marshal(asn1.RawValue{Tag: tag, Bytes: []byte(text)}); err != nil {
			return "", fmt.Errorf("the subject has a value that does not encode: %w", err)
		}
	}
	return "#" + hex.EncodeToString(der), nil
}

// unprintable says whether a PrintableString (X.680, 41.4) cannot hold the
// character.
func unprintable(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return false
	}
	return !strings.ContainsRune(" '()+,-./:=?", r)
}

// decode gives the text of a string value, and false where the value is not a
// string of a type known here or is damaged.
func decode(value asn1.RawValue) (string, bool) {
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

// latin1 reads a T61String (TeletexString) as ISO 8859-1, which is what
// certificates hold under that type.
func latin1(bytes []byte) string {
	var text strings.Builder
	for _, b := range bytes {
		text.WriteRune(rune(b))
	}
	return text.String()
}

// twoByte reads a BMPString: two bytes for each character, the high one first,
// and a NUL at the end of some. Surrogates are not characters.
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

// escape writes a value so that it ends where it ends, in characters that all
// stores can hold.
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
