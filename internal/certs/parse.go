package certs

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// MaxText is the largest text that [Parse] accepts, in bytes. A Kubernetes
	// object holds at most about 1.5 MiB (etcd's limit for a request); a default
	// CA package is a file, and may be larger.
	MaxText = 8 << 20
	// MaxBlocks is the largest number of blocks in one text. A target holds at
	// most 1 MiB, which is fewer than 4,000 of the smallest useful certificates.
	MaxBlocks = 10_000
)

// ecACC is the SHA-256 of the old EC-ACC root, the only publicly trusted
// certificate with a negative serial number. Default CA packages made from older
// lists contain it and Go's parser rejects it, so it is skipped, and nothing else is.
var ecACC = [sha256.Size]byte{
	0x88, 0x49, 0x7f, 0x01, 0x60, 0x2f, 0x31, 0x54, 0x24, 0x6a, 0xe2, 0x8c, 0x4d, 0x5a, 0xef, 0x10,
	0xf1, 0xd8, 0x7e, 0xbb, 0x76, 0x62, 0x6f, 0x4a, 0xe0, 0xb7, 0xf9, 0x5b, 0xa7, 0x96, 0x87, 0x99,
}

// Certificate is one X.509 certificate. It is immutable.
type Certificate struct {
	// DER is the certificate in ASN.1 DER, exactly as in the block.
	DER []byte
	// Fingerprint is the SHA-256 of DER.
	Fingerprint [sha256.Size]byte
	// Origin is the block that the certificate was read from.
	Origin Origin
	// NotAfter is the end of the certificate's validity, inclusive.
	NotAfter time.Time
	// CA is true if the basic constraints make it a CA (RFC 5280, 4.2.1.9), or if it is a
	// self-issued certificate of version 1, which has no extensions.
	CA bool
	// Version1 is true if Go's parser accepts the certificate and it is of version 1.
	Version1 bool
	// SelfIssued is true if issuer and subject are the same name, as in a root.
	// An intermediate has a different issuer.
	SelfIssued bool
	// RawSubject and RawPublicKey are the subject's Name and the
	// SubjectPublicKeyInfo (RFC 5280, 4.1), as slices of DER.
	RawSubject, RawPublicKey []byte
	// Nonconforming is empty if Go's parser accepts the certificate. Otherwise it describes
	// why the certificate does not conform to RFC 5280, or is not supported.
	Nonconforming string
}

// Subject returns the full subject as users see it: like RFC 4514, by the rules of
// the function [Subject].
func (c *Certificate) Subject() string {
	text, err := Subject(c.RawSubject)
	if err != nil { // only possible for a nonconforming certificate
		return "#" + hex.EncodeToString(c.RawSubject)
	}
	return text
}

// SelfSigned reports whether the certificate is issued in its own name and signed
// with its own key, as a root is. Each call verifies the signature. If Go cannot verify
// signatures of the algorithm or key, or no longer does (MD5), a self-issued certificate counts,
// unless its key identifiers differ.
func (c *Certificate) SelfSigned() bool {
	if !c.SelfIssued {
		return false
	}
	parsed, err := x509.ParseCertificate(c.DER)
	if err != nil {
		s, malformed := readStructure(c.DER)
		authority, subject := s.keyIDs()
		return malformed == "" && isSelfSignedByName(authority, subject)
	}
	if key, ok := parsed.PublicKey.(*rsa.PublicKey); ok && !isVerifiable(key) {
		return isSelfSignedByName(parsed.AuthorityKeyId, parsed.SubjectKeyId)
	}
	err = parsed.CheckSignature(parsed.SignatureAlgorithm, parsed.RawTBSCertificate, parsed.Signature)
	var insecure x509.InsecureAlgorithmError
	if errors.Is(err, x509.ErrUnsupportedAlgorithm) || errors.As(err, &insecure) {
		return isSelfSignedByName(parsed.AuthorityKeyId, parsed.SubjectKeyId)
	}
	return err == nil
}

// IsWeakSignature reports whether signatures of an algorithm can be forged: MD2, MD5 and SHA-1.
func IsWeakSignature(algorithm x509.SignatureAlgorithm) bool {
	return slices.Contains([]x509.SignatureAlgorithm{
		x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1,
	}, algorithm)
}

// isVerifiable reports whether Go verifies signatures with an RSA key. It refuses short ones
// and unusual exponents; very long ones would take it minutes.
func isVerifiable(key *rsa.PublicKey) bool {
	const minBits, maxBits, maxExponent = 1024, 16384, 1<<31 - 1
	bits := key.N.BitLen()
	return bits >= minBits && bits <= maxBits && key.E <= maxExponent && key.E%2 == 1
}

// Result is the content of a text.
type Result struct {
	// Certificates are in the order of the text.
	Certificates []Certificate
	// Skipped are the blocks left out on purpose, each with the reason.
	Skipped []Problem
	// OtherEncoding describes, if the text has no block, in which other encoding of
	// certificates it is.
	OtherEncoding OtherEncoding
}

// Empty reports whether the text contained no block at all.
func (r Result) Empty() bool { return len(r.Certificates) == 0 && len(r.Skipped) == 0 }

// Parse reads all certificates of a PEM text. Lines may end in LF or CRLF and may be
// indented; blank lines and comments are allowed between blocks. Damage that cannot be
// misread is repaired: an END and a BEGIN line that are joined, a byte order mark or a
// character without width before a BEGIN line, and NUL or 0x1A bytes at the end. For a text
// without any block, Parse returns an empty [Result] and no [Problem].
//
// A certificate that Go's parser refuses is returned as nonconforming, if it has the outer
// structure of a certificate. A single block that has not makes the entire text invalid:
// the Problem has the reason [SourceBuildError] and the number of the block, and the Result
// is empty.
func Parse(text string, origin Origin) (Result, *Problem) {
	if len(text) > MaxText {
		return Result{}, invalid(origin, 0, fmt.Sprintf("the text has %d bytes, the limit is %d", len(text), MaxText))
	}
	var result Result
	blocks := scanner{rest: strings.TrimRight(strings.TrimPrefix(text, byteOrderMark), endOfFile+" \t\r\n")}
	for number := 1; ; number++ {
		body, found, fault := blocks.next()
		if fault == "" && found && number > MaxBlocks {
			fault = fmt.Sprintf("there are more than %d blocks in this text", MaxBlocks)
		}
		if fault != "" {
			return Result{}, invalid(origin, number, fault)
		}
		if !found {
			return result.rejectBinary(text, origin)
		}
		origin.Block = number
		if fault := result.add(body, origin); fault != "" {
			return Result{}, invalid(origin, number, fault)
		}
	}
}

// rejectBinary rejects a text with blocks that is partly in another encoding: what looks
// like a comment may contain further blocks. A text without any block may be entirely in
// another encoding.
func (r Result) rejectBinary(text string, origin Origin) (Result, *Problem) {
	if !r.Empty() && strings.Contains(strings.TrimRight(text, endOfFile+" \t\r\n"), "\x00") {
		return Result{}, invalid(origin, 0, "the text has NUL bytes, so a part of it may be in another encoding, such as UTF-16")
	}
	if r.Empty() {
		r.OtherEncoding = otherEncodingOf(text)
	}
	return r, nil
}

// add decodes the body of one block (base64, without line ends) and appends its
// certificate. If the block is invalid, fault describes why.
func (r *Result) add(body []byte, origin Origin) (fault string) {
	der := make([]byte, base64.StdEncoding.DecodedLen(len(body)))
	n, err := base64.StdEncoding.Decode(der, body)
	if err != nil {
		return "the base64 text does not decode; the block is damaged"
	}
	der = der[:n:n]
	fingerprint := sha256.Sum256(der)
	certificate, fault := fromDER(der, fingerprint, origin)
	switch {
	case fingerprint == ecACC:
		r.Skipped = append(r.Skipped, Problem{Origin: origin, Reason: SourceBuildError,
			Detail: "skipped the old EC-ACC root, whose negative serial number RFC 5280 forbids"})
	case fault != "":
		return fault
	default:
		r.Certificates = append(r.Certificates, certificate)
	}
	return ""
}

// ParseDER parses concatenated certificates in DER. They have no origin.
func ParseDER(text []byte) ([]Certificate, error) {
	var list []Certificate
	for rest := der(text); len(rest) > 0; {
		element, _, ok := rest.read(tagSequence)
		if !ok {
			return nil, errors.New("the text is not a list of certificates in DER")
		}
		certificate, fault := fromDER(element, sha256.Sum256(element), Origin{})
		if fault != "" {
			return nil, fmt.Errorf("certificate %d: %s", len(list)+1, fault)
		}
		list = append(list, certificate)
	}
	return list, nil
}

// fromDER returns a certificate. If it has not even the outer structure of one, fault
// describes why the block is invalid.
func fromDER(der []byte, fingerprint [sha256.Size]byte, origin Origin) (certificate Certificate, fault string) {
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nonconforming(der, fingerprint, origin, err)
	}
	return fromX509(parsed, fingerprint, origin), ""
}

// fromX509 keeps only the DER of a parsed certificate, slices of it, and flags.
func fromX509(parsed *x509.Certificate, fingerprint [sha256.Size]byte, origin Origin) Certificate {
	return Certificate{
		DER:          parsed.Raw,
		Fingerprint:  fingerprint,
		Origin:       origin,
		NotAfter:     parsed.NotAfter,
		CA:           isCA(parsed),
		Version1:     parsed.Version == 1,
		SelfIssued:   isSelfIssued(parsed),
		RawSubject:   parsed.RawSubject,
		RawPublicKey: parsed.RawSubjectPublicKeyInfo,
	}
}

func isCA(parsed *x509.Certificate) bool {
	return parsed.BasicConstraintsValid && parsed.IsCA || parsed.Version == 1 && isSelfIssued(parsed)
}

func isSelfIssued(parsed *x509.Certificate) bool {
	return bytes.Equal(parsed.RawIssuer, parsed.RawSubject)
}

func invalid(origin Origin, block int, detail string) *Problem {
	origin.Block = block
	return &Problem{Origin: origin, Reason: SourceBuildError, Detail: detail}
}
