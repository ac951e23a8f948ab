package certs

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

const (
	// MaxText is the largest text that Parse takes, in bytes. An object in
	// Kubernetes holds at most about 1.5 MiB (etcd's limit for a request); the
	// rest is room for a default CA package, which is a file.
	MaxText = 8 << 20
	// MaxBlocks is the largest number of blocks in one text. A target holds at
	// most 1 MiB, so fewer than 4,000 of the smallest useful certificates.
	MaxBlocks = 10_000
)

// ecACC is the SHA-256 of the one publicly trusted certificate with a negative
// serial number, the old EC-ACC root. Packages made from older lists hold it
// and Go's parser refuses it, so it alone is skipped.
var ecACC = [sha256.Size]byte{
	0x88, 0x49, 0x7f, 0x01, 0x60, 0x2f, 0x31, 0x54, 0x24, 0x6a, 0xe2, 0x8c, 0x4d, 0x5a, 0xef, 0x10,
	0xf1, 0xd8, 0x7e, 0xbb, 0x76, 0x62, 0x6f, 0x4a, 0xe0, 0xb7, 0xf9, 0x5b, 0xa7, 0x96, 0x87, 0x99,
}

// Certificate is one X.509 certificate. It is never changed after Parse.
type Certificate struct {
	// DER is the certificate in ASN.1 DER, as it stood in the block.
	DER []byte
	// Fingerprint is the SHA-256 of DER.
	Fingerprint [sha256.Size]byte
	// Origin is the block that the certificate was read from.
	Origin Origin
	// NotAfter is the last moment at which the certificate is valid.
	NotAfter time.Time
	// CA says whether the basic constraints make it a CA (RFC 5280, 4.2.1.9).
	CA bool
	// SelfIssued says whether issuer and subject are the same name, as they are
	// in a root. An intermediate has another issuer.
	SelfIssued bool
	// RawSubject and RawPublicKey are the parts of DER that hold the subject's Name
	// and the SubjectPublicKeyInfo (RFC 5280, 4.1).
	RawSubject, RawPublicKey []byte
}

// Subject gives the subject as users know it: in the manner of RFC 4514, whole.
func (c *Certificate) Subject() string {
	text, err := Subject(c.RawSubject)
	if err != nil { // of no certificate that Go's parser has taken
		return "#" + hex.EncodeToString(c.RawSubject)
	}
	return text
}

// SelfSigned says whether the certificate is signed with its own key in its own
// name, as a root is. That is found out anew with each call, which takes as long as
// a signature takes to verify. A signature of an algorithm that Go does not know, or
// trusts no more (MD5), counts as none.
func (c *Certificate) SelfSigned() bool {
	if !c.SelfIssued {
		return false
	}
	parsed, err := x509.ParseCertificate(c.DER)
	return err == nil && parsed.CheckSignature(parsed.SignatureAlgorithm, parsed.RawTBSCertificate, parsed.Signature) == nil
}

// Result is what a text held.
type Result struct {
	// Certificates are in the order of the text.
	Certificates []Certificate
	// Skipped are the blocks left out on purpose, each with the reason why.
	Skipped []Problem
}

// Empty says whether the text held no block at all.
func (r Result) Empty() bool { return len(r.Certificates) == 0 && len(r.Skipped) == 0 }

// Parse reads all certificates of a PEM text. Lines may end in LF or CRLF and
// be indented; blank lines and comments may stand between blocks. A text
// without any block gives an empty Result and no Problem.
//
// Any block that is not a whole, well-formed certificate makes the entire text
// invalid: the Problem has reason SourceBuildError and the number of the
// block, and the Result is then empty.
func Parse(text string, origin Origin) (Result, *Problem) {
	if len(text) > MaxText {
		return Result{}, invalid(origin, 0, fmt.Sprintf("the text has %d bytes, the limit is %d", len(text), MaxText))
	}
	var result Result
	blocks := scanner{rest: strings.TrimPrefix(text, "\ufeff")}
	for number := 1; ; number++ {
		body, found, fault := blocks.next()
		if fault == "" && found && number > MaxBlocks {
			fault = fmt.Sprintf("there are more than %d blocks in this text", MaxBlocks)
		}
		if fault != "" {
			return Result{}, invalid(origin, number, fault)
		}
		if !found {
			return result.checked(text, origin)
		}
		origin.Block = number
		if fault := result.add(body, origin); fault != "" {
			return Result{}, invalid(origin, number, fault)
		}
	}
}

// checked refuses blocks in a text that is partly in another encoding: more
// blocks may stand in what looks like a comment then. A text without any block
// may be binary as a whole.
func (r Result) checked(text string, origin Origin) (Result, *Problem) {
	if !r.Empty() && strings.IndexByte(text, 0) >= 0 {
		return Result{}, invalid(origin, 0, "the text has NUL bytes, so a part of it may be in another encoding, such as UTF-16")
	}
	return r, nil
}

// add decodes one block's body (base64, without line ends) and keeps it. It
// returns what is wrong with it, or "".
func (r *Result) add(body []byte, origin Origin) (fault string) {
	der := make([]byte, base64.StdEncoding.DecodedLen(len(body)))
	n, err := base64.StdEncoding.Decode(der, body)
	if err != nil {
		return "the base64 text does not decode; the block is damaged"
	}
	der = der[:n:n]
	fingerprint := sha256.Sum256(der)
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		if fingerprint != ecACC {
			return parseFault(err)
		}
		r.Skipped = append(r.Skipped, Problem{Origin: origin, Reason: SourceBuildError,
			Detail: "skipped the old EC-ACC root, whose negative serial number RFC 5280 forbids"})
		return ""
	}
	r.Certificates = append(r.Certificates, fromX509(parsed, fingerprint, origin))
	return ""
}

// FromX509 gives a certificate that is parsed already, of no origin.
func FromX509(parsed *x509.Certificate) Certificate {
	return fromX509(parsed, sha256.Sum256(parsed.Raw), Origin{})
}

// fromX509 keeps what is needed of a parsed certificate: parts of its DER.
func fromX509(parsed *x509.Certificate, fingerprint [sha256.Size]byte, origin Origin) Certificate {
	return Certificate{
		DER:          parsed.Raw,
		Fingerprint:  fingerprint,
		Origin:       origin,
		NotAfter:     parsed.NotAfter,
		CA:           parsed.BasicConstraintsValid && parsed.IsCA,
		SelfIssued:   bytes.Equal(parsed.RawIssuer, parsed.RawSubject),
		RawSubject:   parsed.RawSubject,
		RawPublicKey: parsed.RawSubjectPublicKeyInfo,
	}
}

// parseFault explains a refusal by the X.509 parser. The parser's own text is
// not passed on: it may quote names out of the certificate.
func parseFault(err error) string {
	if strings.HasPrefix(err.Error(), "x509: negative serial number") {
		return "the certificate has a negative serial number, which RFC 5280 forbids; ask its issuer for a correct one"
	}
	return "the block does not hold an X.509 certificate in DER; compare with `openssl x509 -noout -text`"
}

func invalid(origin Origin, block int, detail string) *Problem {
	origin.Block = block
	return &Problem{Origin: origin, Reason: SourceBuildError, Detail: detail}
}
