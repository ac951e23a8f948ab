package decode

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"unicode/utf16"
)

// Object identifiers of bags and their attributes (RFC 7292, appendix D; PKCS#9, RFC 2985).
var (
	oidKeyBag          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 1}
	oidShroudedKeyBag  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 2}
	oidCertBag         = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 3}
	oidCRLBag          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 4}
	oidSafeContentsBag = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 6}
	oidX509Certificate = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 22, 1}
	oidFriendlyName    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 20}
	oidLocalKeyID      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 21}
	// oidTrustedKeyUsage is Java's attribute of trusted certificates.
	oidTrustedKeyUsage = asn1.ObjectIdentifier{2, 16, 840, 1, 113894, 746875, 1, 1}
)

// safeBag is a SafeBag (RFC 7292, 4.2).
type safeBag struct {
	ID         asn1.ObjectIdentifier
	Value      asn1.RawValue `asn1:"tag:0,explicit"`
	Attributes []attribute   `asn1:"set,optional"`
}

type attribute struct {
	ID     asn1.ObjectIdentifier
	Values asn1.RawValue
}

// certBag is a CertBag (RFC 7292, 4.2.3).
type certBag struct {
	ID    asn1.ObjectIdentifier
	Value asn1.RawValue `asn1:"tag:0,explicit"`
}

// bag is a certificate with its attributes, or the attributes of a private key.
type bag struct {
	der       []byte
	name      string
	keyID     []byte
	isTrusted bool
}

// bags are what a store has.
type bags struct {
	certificates, keys []bag
	// others are the kinds of everything but certificates.
	others []string
}

// maxNesting is how many levels of bags within bags are read. No known program writes any.
const maxNesting = 4

// read reads a SafeContents, whose bags may have a SafeContents.
func (b *bags) read(content []byte, level int) error {
	der, err := definite(content)
	if err != nil {
		return err
	}
	var list []safeBag
	if err := unmarshal(der, &list); err != nil {
		return err
	}
	for i := range list {
		if err := b.add(&list[i], level); err != nil {
			return err
		}
	}
	return nil
}

func (b *bags) add(s *safeBag, level int) error {
	switch {
	case s.ID.Equal(oidCertBag):
		var certificate certBag
		if err := unmarshal(s.Value.Bytes, &certificate); err != nil {
			return err
		}
		if !certificate.ID.Equal(oidX509Certificate) {
			b.others = append(b.others, "certificate of another type than X.509")
			return nil
		}
		info := contentInfo{Content: certificate.Value}
		der, err := info.octets()
		if err != nil {
			return err
		}
		read := s.attributes()
		read.der = der
		b.certificates = append(b.certificates, read)
	case s.ID.Equal(oidKeyBag), s.ID.Equal(oidShroudedKeyBag):
		b.keys = append(b.keys, s.attributes())
		b.others = append(b.others, privateKey)
	case s.ID.Equal(oidCRLBag):
		b.others = append(b.others, "revocation list")
	case s.ID.Equal(oidSafeContentsBag):
		if level == maxNesting {
			return errComplex
		}
		return b.read(s.Value.Bytes, level+1)
	default: // a secretBag, or one of a later standard
		b.others = append(b.others, "secret or other entry")
	}
	return nil
}

// attributes returns the attributes of a bag. Malformed ones are ignored: they are labels only.
func (s *safeBag) attributes() bag {
	var read bag
	for _, attribute := range s.Attributes {
		values, err := elements(attribute.Values.Bytes)
		if err != nil {
			continue
		}
		isTrusted := attribute.ID.Equal(oidTrustedKeyUsage)
		read.isTrusted = read.isTrusted || isTrusted
		if isTrusted || len(values) != 1 {
			continue
		}
		switch {
		case attribute.ID.Equal(oidFriendlyName) && values[0].Tag == asn1.TagBMPString:
			read.name = decodeBMP(values[0].Bytes)
		case attribute.ID.Equal(oidLocalKeyID):
			read.keyID = values[0].Bytes
		}
	}
	return read
}

// decodeBMP decodes a BMPString. Java writes surrogates into it.
func decodeBMP(content []byte) string {
	var units []uint16
	for ; len(content) > 1; content = content[2:] {
		units = append(units, binary.BigEndian.Uint16(content))
	}
	return string(utf16.Decode(units))
}

// chains returns the private key to whose chain each certificate belongs, or nil. Like Java, it
// finds the certificate of a key by the local key ID, and the others by their names.
func (b *bags) chains() []*bag {
	owners := make([]*bag, len(b.certificates))
	keys := map[string]*bag{}
	for i := range b.keys {
		if id := string(b.keys[i].keyID); id != "" {
			keys[id] = &b.keys[i]
		}
	}
	if len(keys) == 0 {
		return owners
	}
	subjects, issuers := map[string]int{}, make([]string, len(b.certificates))
	for i, certificate := range b.certificates {
		// A certificate that does not parse has no known place in a chain.
		if parsed, err := x509.ParseCertificate(certificate.der); err == nil {
			issuers[i] = string(parsed.RawIssuer)
			if _, exists := subjects[string(parsed.RawSubject)]; !exists {
				subjects[string(parsed.RawSubject)] = i
			}
		}
	}
	for i, certificate := range b.certificates {
		key := keys[string(certificate.keyID)]
		for at, ok := i, key != nil; ok && owners[at] == nil; at, ok = subjects[issuers[at]] {
			owners[at] = key
		}
	}
	return owners
}
