package certs

import (
	"bytes"
	"encoding/asn1"
	"time"
)

// structure is the outer structure of a certificate (RFC 5280, 4.1), read without regard to
// the content of names, keys and extensions. Whatever Go's parser accepts is read like Go
// reads it.
type structure struct {
	version                             int
	rawIssuer, rawSubject, rawPublicKey []byte
	notAfter                            time.Time
	extensions                          []extension
}

// extension has the content octets of the OID and of the OCTET STRING.
type extension struct{ id, value []byte }

// The content octets of OIDs of extensions (RFC 5280, 4.2.1).
var (
	subjectKeyID     = []byte{0x55, 0x1d, 14}
	basicConstraints = []byte{0x55, 0x1d, 19}
	authorityKeyID   = []byte{0x55, 0x1d, 35}
)

// The tags of DER (X.690, 8.1.2) that occur in a certificate.
const (
	tagBoolean         = 0x01
	tagInteger         = 0x02
	tagBitString       = 0x03
	tagOctetString     = 0x04
	tagOID             = 0x06
	tagUTCTime         = 0x17
	tagGeneralizedTime = 0x18
	tagSequence        = 0x30
	tagIssuerUniqueID  = 0x81
	tagSubjectUniqueID = 0x82
	tagVersion         = 0xa0
	tagExtensions      = 0xa3
)

// der is a sequence of elements in DER that have not been read yet.
type der []byte

// read reads the next element, if it has this tag. The element includes tag and length, and
// the body does not.
func (d *der) read(tag byte) (element, body []byte, ok bool) {
	if len(*d) < 2 || (*d)[0] != tag {
		return nil, nil, false
	}
	header, length := 2, int((*d)[1])
	if length >= 0x80 {
		size := length & 0x7f
		if size < 1 || size > 4 || len(*d) < 2+size {
			return nil, nil, false
		}
		length = 0
		for _, b := range (*d)[2 : 2+size] {
			length = length<<8 | int(b)
		}
		header += size
		// DER has the shortest form of a length only.
		if length < 0x80 || length>>(8*(size-1)) == 0 {
			return nil, nil, false
		}
	}
	if length < 0 || length > len(*d)-header {
		return nil, nil, false
	}
	element, body = (*d)[:header+length], (*d)[header:header+length]
	*d = (*d)[header+length:]
	return element, body, true
}

// next reports whether the next element has this tag.
func (d *der) next(tag byte) bool { return len(*d) > 0 && (*d)[0] == tag }

// skip skips the next element if it has this tag. It returns false if that is malformed.
func (d *der) skip(tag byte) bool {
	if !d.next(tag) {
		return true
	}
	_, _, ok := d.read(tag)
	return ok
}

// readStructure reads the outer structure of a certificate. Otherwise malformed names the
// part that is not as it should be.
func readStructure(certificate []byte) (s structure, malformed string) {
	all := der(certificate)
	_, outer, ok := all.read(tagSequence)
	if !ok || len(all) > 0 {
		return s, "encoding"
	}
	rest := der(outer)
	_, body, ok := rest.read(tagSequence)
	if !ok {
		return s, "body"
	}
	if malformed := s.readBody(body); malformed != "" {
		return s, malformed
	}
	if _, _, ok := rest.read(tagSequence); !ok {
		return s, "signature algorithm"
	}
	if _, signature, ok := rest.read(tagBitString); !ok || len(signature) == 0 {
		return s, "signature"
	}
	return s, ""
}

// readBody reads a TBSCertificate.
func (s *structure) readBody(body der) (malformed string) {
	if s.version, malformed = readVersion(&body); malformed != "" {
		return malformed
	}
	if _, serial, ok := body.read(tagInteger); !ok || len(serial) == 0 {
		return "serial number"
	}
	if _, _, ok := body.read(tagSequence); !ok {
		return "signature algorithm"
	}
	var ok bool
	if s.rawIssuer, _, ok = body.read(tagSequence); !ok {
		return "issuer"
	}
	_, validity, ok := body.read(tagSequence)
	if !ok || !s.readValidity(validity) {
		return "validity"
	}
	if s.rawSubject, _, ok = body.read(tagSequence); !ok {
		return "subject"
	}
	var key der
	if s.rawPublicKey, key, ok = readSequence(&body); !ok {
		return "public key"
	}
	if _, _, ok := key.read(tagSequence); !ok {
		return "public key"
	}
	if _, _, ok := key.read(tagBitString); !ok {
		return "public key"
	}
	if s.version > 1 && (!body.skip(tagIssuerUniqueID) || !body.skip(tagSubjectUniqueID)) {
		return "unique identifier"
	}
	if s.version == 3 && body.next(tagExtensions) && !s.readExtensions(&body) {
		return "extensions"
	}
	return ""
}

func readSequence(d *der) (element []byte, body der, ok bool) {
	element, content, ok := d.read(tagSequence)
	return element, content, ok
}

// readVersion reads the optional version. It counts from 1.
func readVersion(body *der) (version int, malformed string) {
	if !body.next(tagVersion) {
		return 1, ""
	}
	_, content, ok := body.read(tagVersion)
	inner := der(content)
	_, number, isInteger := inner.read(tagInteger)
	if !ok || !isInteger || len(inner) > 0 || len(number) != 1 || number[0] > 2 {
		return 0, "version"
	}
	return int(number[0]) + 1, ""
}

func (s *structure) readValidity(validity der) (ok bool) {
	if _, ok = readTime(&validity); !ok {
		return false
	}
	s.notAfter, ok = readTime(&validity)
	return ok
}

// readTime reads a UTCTime or GeneralizedTime. Seconds may be missing, and there may be an
// offset, although RFC 5280, 4.1.2.5 allows neither.
func readTime(d *der) (at time.Time, ok bool) {
	layouts, isUTC := []string{"20060102150405Z0700", "200601021504Z0700"}, d.next(tagUTCTime)
	tag := byte(tagGeneralizedTime)
	if isUTC {
		layouts, tag = []string{"060102150405Z0700", "0601021504Z0700"}, tagUTCTime
	}
	_, text, ok := d.read(tag)
	if !ok {
		return at, false
	}
	for _, layout := range layouts {
		at, err := time.Parse(layout, string(text))
		if err != nil {
			continue
		}
		if isUTC && at.Year() >= 2050 {
			at = at.AddDate(-100, 0, 0)
		}
		return at, true
	}
	return at, false
}

func (s *structure) readExtensions(body *der) (ok bool) {
	_, content, ok := body.read(tagExtensions)
	if !ok {
		return false
	}
	wrapper := der(content)
	_, list, ok := readSequence(&wrapper)
	for ok && len(list) > 0 {
		var fields der
		if _, fields, ok = readSequence(&list); !ok {
			return false
		}
		_, id, isID := fields.read(tagOID)
		isID = isID && fields.skip(tagBoolean)
		_, value, isValue := fields.read(tagOctetString)
		ok = isID && isValue
		s.extensions = append(s.extensions, extension{id, value})
	}
	return ok
}

// isSelfIssued reports whether issuer and subject are the same name.
func (s *structure) isSelfIssued() bool { return bytes.Equal(s.rawIssuer, s.rawSubject) }

// isCA is like the function isCA. If there are several basic constraints, all of them have to
// make it a CA.
func (s *structure) isCA() bool {
	if s.version == 1 {
		return s.isSelfIssued()
	}
	found := false
	for _, value := range s.values(basicConstraints) {
		fields := der(value)
		_, content, ok := readSequence(&fields)
		_, isCA, hasFlag := content.read(tagBoolean)
		if !ok || !hasFlag || len(isCA) != 1 || isCA[0] == 0 { // BER allows any other octet for TRUE
			return false
		}
		found = true
	}
	return found
}

// values returns the values of the extensions with this OID.
func (s *structure) values(id []byte) (values [][]byte) {
	for _, extension := range s.extensions {
		if bytes.Equal(extension.id, id) {
			values = append(values, extension.value)
		}
	}
	return values
}

// keyIDs returns the authority's and the subject's key identifier, or nil for one that is
// absent or malformed.
func (s *structure) keyIDs() (authority, subject []byte) {
	for _, value := range s.values(authorityKeyID) {
		outer := der(value)
		if _, fields, ok := readSequence(&outer); ok {
			_, authority, _ = fields.read(0x80)
		}
	}
	for _, value := range s.values(subjectKeyID) {
		outer := der(value)
		_, subject, _ = outer.read(tagOctetString)
	}
	return authority, subject
}

// duplicate returns the OID of an extension that occurs more than once, or "".
func (s *structure) duplicate() string {
	seen := map[string]bool{}
	for _, extension := range s.extensions {
		if seen[string(extension.id)] {
			return formatOID(extension.id)
		}
		seen[string(extension.id)] = true
	}
	return ""
}

// curve returns the OID of the elliptic curve of the public key, or "", and whether the point
// is compressed (SEC 1, 2.3.3).
func (s *structure) curve() (oid string, compressed bool) {
	outer := der(s.rawPublicKey)
	_, key, _ := readSequence(&outer)
	_, algorithm, _ := readSequence(&key)
	_, point, _ := key.read(tagBitString)
	algorithm.skip(tagOID)
	if _, curve, ok := algorithm.read(tagOID); ok {
		oid = formatOID(curve)
	}
	return oid, len(point) > 1 && (point[1] == 2 || point[1] == 3)
}

// formatOID returns the dotted form of the content octets of an OID, or "" if they are
// malformed.
func formatOID(content []byte) string {
	element, err := asn1.Marshal(asn1.RawValue{Tag: tagOID, Bytes: content})
	if err != nil {
		return ""
	}
	var oid asn1.ObjectIdentifier
	if _, err := asn1.Unmarshal(element, &oid); err != nil {
		return ""
	}
	return oid.String()
}
