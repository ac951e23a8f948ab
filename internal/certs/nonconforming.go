package certs

import (
	"bytes"
	"crypto/sha256"
	"strings"
)

// Extensions as messages name them.
const (
	nameConstraints = "name constraints (2.5.29.30)"
	alternativeName = "subject alternative name (2.5.29.17)"
)

// extensionFaults maps the beginnings of errors of Go's parser to the extensions that they
// are about. The errors themselves may quote names.
var extensionFaults = []struct{ prefix, extension string }{
	{"invalid key usage", "key usage (2.5.29.15)"},
	{"invalid basic constraints", "basic constraints (2.5.29.19)"},
	{"invalid subject alternative name", alternativeName},
	{"SAN ", alternativeName},
	{"cannot parse URI", alternativeName},
	{"cannot parse IP address", alternativeName},
	{"authority key identifier", "authority key identifier (2.5.29.35)"},
	{"invalid authority key identifier", "authority key identifier (2.5.29.35)"},
	{"subject key identifier", "subject key identifier (2.5.29.14)"},
	{"invalid subject key identifier", "subject key identifier (2.5.29.14)"},
	{"invalid extended key usages", "extended key usage (2.5.29.37)"},
	{"invalid certificate policies", "certificate policies (2.5.29.32)"},
	{"invalid NameConstraints", nameConstraints},
	{"empty name constraints", nameConstraints},
	{"invalid constraint value", nameConstraints},
	{"failed to parse dnsName constraint", nameConstraints},
	{"failed to parse rfc822Name constraint", nameConstraints},
	{"failed to parse URI constraint", nameConstraints},
	{"IP constraint", nameConstraints},
	{"invalid CRL distribution point", "CRL distribution points (2.5.29.31)"},
	{"invalid policy constraints", "policy constraints (2.5.29.36)"},
	{"policy constraints", "policy constraints (2.5.29.36)"},
	{"invalid policy mappings", "policy mappings (2.5.29.33)"},
	{"invalid inhibit any policy", "inhibit anyPolicy (2.5.29.54)"},
	{"authority info access", "authority information access (1.3.6.1.5.5.7.1.1)"},
	{"invalid authority info access", "authority information access (1.3.6.1.5.5.7.1.1)"},
}

// otherFaults maps the beginnings of other errors of Go's parser to descriptions.
var otherFaults = []struct{ prefix, description string }{
	{"negative serial number", "its serial number is negative"},
	{"malformed serial number", "its serial number is malformed"},
	{"invalid RDNSequence: invalid attribute value: invalid PrintableString", "a name in it has a character that a PrintableString must not have, such as _"},
	{"invalid RDNSequence: invalid attribute value: unsupported string type", "a name in it has a string type that Go does not support"},
	{"invalid RDNSequence: invalid attribute type", "a name in it has an attribute type that Go does not support"},
	{"invalid RDNSequence: invalid attribute value: ", "a name in it has characters that their string type must not have"},
	{"invalid RDNSequence", "a name in it is malformed"},
	{"inner and outer signature algorithm", "its two signature algorithm identifiers differ"},
	{"malformed UTCTime", "its validity is not in the form that RFC 5280 requires"},
	{"malformed GeneralizedTime", "its validity is not in the form that RFC 5280 requires"},
	{"RSA key missing NULL parameters", "its RSA key lacks the parameter NULL"},
	{"invalid RSA public exponent", "its RSA key has no exponent, or one that Go does not support"},
	{"invalid RSA", "its RSA key is malformed"},
	{"malformed extension critical", "the critical field of an extension is malformed"},
	{"malformed extension OID", "Go does not support the OID of an extension"},
	{"malformed extension", "an extension is malformed"},
	{"RSA ", "its RSA key has a modulus or exponent that is not positive"},
	{"invalid ECDSA parameters", "its elliptic curve is not named by an OID"},
	{"Ed25519", "its Ed25519 key is malformed"},
	{"wrong Ed25519", "its Ed25519 key is malformed"},
	{"X25519", "its X25519 key is malformed"},
	{"invalid DSA", "its DSA key is malformed"},
	{"zero or negative DSA", "its DSA key is malformed"},
	{"malformed parameters", "the parameters of an algorithm in it are malformed"},
	{"malformed OID", "the OID of an algorithm in it is malformed"},
}

// causeOf returns why Go's parser refuses a certificate with this structure: the class of the
// cause, with the OID of an extension or curve, and never a value of the certificate.
func causeOf(err error, s *structure) string {
	message := strings.TrimPrefix(err.Error(), "x509: ")
	switch {
	case strings.HasPrefix(message, "certificate contains duplicate extension"):
		return "it has the extension " + s.duplicate() + " twice"
	case strings.HasPrefix(message, "unsupported elliptic curve"):
		oid, _ := s.curve()
		return strings.TrimSpace("Go does not support its elliptic curve " + oid)
	case message == err.Error(): // only the errors about points have another prefix
		if oid, compressed := s.curve(); compressed {
			return "its public key is a compressed point of the elliptic curve " + oid
		} else if oid != "" {
			return "its public key is not a point of the elliptic curve " + oid
		}
	}
	for _, fault := range extensionFaults {
		if strings.HasPrefix(message, fault.prefix) {
			return "its extension " + fault.extension + " is invalid"
		}
	}
	for _, fault := range otherFaults {
		if strings.HasPrefix(message, fault.prefix) {
			return fault.description
		}
	}
	return "Go's parser refuses it"
}

// nonconforming returns the certificate in a block that Go's parser has refused. If it has
// not even the outer structure of a certificate, fault describes why the block is invalid.
func nonconforming(der []byte, fingerprint [sha256.Size]byte, origin Origin, refusal error) (certificate Certificate, fault string) {
	s, malformed := readStructure(der)
	if format := binaryFormatOf(string(der)); malformed != "" && format != nil {
		return Certificate{}, "the block does not hold a certificate, but " + format.name + "; convert its body with `" + format.command + "`"
	}
	if malformed != "" {
		return Certificate{}, "the block does not hold an X.509 certificate in DER: its " + malformed +
			" is malformed; check it with `openssl x509 -noout -text`"
	}
	return Certificate{
		DER:           der,
		Fingerprint:   fingerprint,
		Origin:        origin,
		NotAfter:      s.notAfter,
		CA:            s.isCA(),
		SelfIssued:    s.isSelfIssued(),
		RawSubject:    s.rawSubject,
		RawPublicKey:  s.rawPublicKey,
		Nonconforming: causeOf(refusal, &s),
	}, ""
}

// isSelfSignedByName reports whether a self-issued certificate whose signature Go cannot
// verify counts as self-signed: its key identifiers do not differ.
func isSelfSignedByName(authority, subject []byte) bool {
	return len(authority) == 0 || len(subject) == 0 || bytes.Equal(authority, subject)
}
