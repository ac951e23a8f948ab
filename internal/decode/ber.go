package decode

import (
	"encoding/asn1"
	"errors"
)

// The limits of the structure of a file in BER: some 10,000 certificates, and signatures within
// signatures.
const (
	maxDepth    = 64
	maxElements = 1 << 20
)

var (
	errBER     = errors.New("the encoding is damaged or cut off")
	errComplex = errors.New("the encoding has too many levels or elements")
)

// definite returns an element in BER (X.690) with definite lengths, as DER requires, and nothing
// after it. Elements that have definite lengths already are unchanged: the bytes of certificates
// are what identifies them.
func definite(data []byte) ([]byte, error) {
	b := ber{rest: data}
	element, _, err := b.element(0)
	if err == nil && len(b.rest) > 0 {
		return nil, errors.New("there is data after the end")
	}
	return element, err
}

// ber reads elements in BER.
type ber struct {
	rest  []byte
	count int
}

// header reads the identifier and length octets (X.690, 8.1). A length of -1 is indefinite.
func (b *ber) header() (identifier []byte, length int, err error) {
	at := 1
	if len(b.rest) < 2 {
		return nil, 0, errBER
	}
	if b.rest[0]&tagMask == tagMask { // more octets follow, the last one without the high bit
		for at < len(b.rest)-1 && b.rest[at]&0x80 != 0 {
			at++
		}
		at++
	}
	if at >= len(b.rest) {
		return nil, 0, errBER
	}
	identifier = b.rest[:at]
	first := b.rest[at]
	b.rest = b.rest[at+1:]
	switch size := int(first & 0x7f); {
	case first < 0x80:
		return identifier, int(first), nil
	case size == 0:
		return identifier, -1, nil
	case size > 4 || size > len(b.rest):
		return nil, 0, errBER
	default:
		for _, octet := range b.rest[:size] {
			length = length<<8 | int(octet)
		}
		b.rest = b.rest[size:]
		return identifier, length, nil
	}
}

// element reads one element, and returns it with definite lengths. It reports whether it had an
// indefinite one.
func (b *ber) element(depth int) (element []byte, changed bool, err error) {
	if b.count++; b.count > maxElements || depth > maxDepth {
		return nil, false, errComplex
	}
	start := b.rest
	identifier, length, err := b.header()
	isConstructed := err == nil && identifier[0]&constructed != 0
	switch {
	case err != nil:
		return nil, false, err
	case length < 0 && isConstructed:
		content, err := b.untilEnd(depth + 1)
		return assemble(identifier, content), true, err
	case length < 0 || length > len(b.rest):
		return nil, false, errBER
	}
	inner := ber{rest: b.rest[:length], count: b.count}
	b.rest = b.rest[length:]
	unchanged := start[:len(start)-len(b.rest)]
	if !isConstructed {
		return unchanged, false, nil
	}
	content, changed, err := inner.all(depth + 1)
	b.count = inner.count
	if err != nil || !changed {
		return unchanged, false, err
	}
	return assemble(identifier, content), true, nil
}

// all reads all elements. If none of them had an indefinite length, it returns no content.
func (b *ber) all(depth int) (content []byte, changed bool, err error) {
	whole := b.rest
	for len(b.rest) > 0 {
		read := len(whole) - len(b.rest)
		element, elementChanged, err := b.element(depth)
		if err != nil {
			return nil, false, err
		}
		if elementChanged && !changed {
			content, changed = append(content, whole[:read]...), true
		}
		if changed {
			content = append(content, element...)
		}
	}
	return content, changed, nil
}

// untilEnd reads elements up to the end-of-contents octets (X.690, 8.1.5).
func (b *ber) untilEnd(depth int) (content []byte, err error) {
	for {
		if len(b.rest) >= 2 && b.rest[0] == 0 && b.rest[1] == 0 {
			b.rest = b.rest[2:]
			return content, nil
		}
		element, _, err := b.element(depth)
		if err != nil {
			return nil, err
		}
		content = append(content, element...)
	}
}

// constructed and tagMask are the bits of an identifier octet that mark a constructed encoding,
// and that have the tag number (X.690, 8.1.2).
const (
	constructed = 0x20
	tagMask     = 0x1f
)

// assemble returns an element in DER.
func assemble(identifier, content []byte) []byte {
	element := append([]byte{}, identifier...)
	size := len(content)
	switch {
	case size < 0x80:
		element = append(element, byte(size))
	case size < 1<<8:
		element = append(element, 0x81, byte(size))
	case size < 1<<16:
		element = append(element, 0x82, byte(size>>8), byte(size&0xff))
	default: // the largest file has fewer than 1<<32 bytes
		element = append(element, 0x84, byte(size>>24&0xff), byte(size>>16&0xff), byte(size>>8&0xff), byte(size&0xff))
	}
	return append(element, content...)
}

// elements returns the elements of a content with definite lengths.
func elements(content []byte) ([]asn1.RawValue, error) {
	var list []asn1.RawValue
	for len(content) > 0 {
		var element asn1.RawValue
		var err error
		if content, err = asn1.Unmarshal(content, &element); err != nil {
			return nil, errBER
		}
		list = append(list, element)
	}
	return list, nil
}

// octets returns the content of an OCTET STRING, which BER may divide into several.
func octets(element asn1.RawValue) ([]byte, error) {
	if !element.IsCompound {
		return element.Bytes, nil
	}
	parts, err := elements(element.Bytes)
	if err != nil {
		return nil, err
	}
	var content []byte
	for _, part := range parts {
		if part.Tag != asn1.TagOctetString || part.IsCompound {
			return nil, errBER
		}
		content = append(content, part.Bytes...)
	}
	return content, nil
}

// unmarshal reads a structure with definite lengths, and nothing after it.
func unmarshal(data []byte, into any) error {
	rest, err := asn1.Unmarshal(data, into)
	if err != nil || len(rest) > 0 { // the error of encoding/asn1 may quote values
		return errBER
	}
	return nil
}
