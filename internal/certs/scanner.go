package certs

import (
	"strings"
	"unicode"
)

const (
	beginMark  = "-----BEGIN"
	endMark    = "-----END"
	beginLabel = "-----BEGIN "
	endLabel   = "-----END "
	dashes     = "-----"
	blockType  = "CERTIFICATE"
)

// scanner iterates over the PEM blocks of a text. It is stricter than encoding/pem,
// which skips everything that it cannot read, so that a bundle would shrink silently.
type scanner struct {
	rest string
	body []byte // of the current block; reused
}

// next returns the base64 body of the next block without white space; it is valid
// until the following call. found is false at the end of the text. fault describes
// what is wrong with the block, or with a line that looks like the start of one.
func (s *scanner) next() (body []byte, found bool, fault string) {
	for s.rest != "" {
		line := s.line()
		label, isBegin := marker(line, beginLabel)
		switch {
		case isBegin && label == blockType:
			fault = s.readBody()
			return s.body, true, fault
		case isBegin:
			return nil, true, typeFault(label)
		case looksLikeMarker(line):
			return nil, true, "a BEGIN or END line is damaged or has no counterpart; each must be on a line of its own"
		}
	}
	return nil, false, ""
}

// readBody reads the body of a CERTIFICATE block up to its END line.
func (s *scanner) readBody() (fault string) {
	s.body = s.body[:0]
	for s.rest != "" {
		line := s.line()
		if strings.HasPrefix(line, dashes) {
			if label, isEnd := marker(line, endLabel); !isEnd || label != blockType {
				return "the block is cut off: BEGIN CERTIFICATE is not followed by END CERTIFICATE"
			}
			return ""
		}
		if strings.Contains(line, dashes) {
			return "the END line contains other text"
		}
		if strings.Contains(line, ":") {
			return "the block has PEM headers, which a certificate must not have (RFC 7468)"
		}
		s.body = appendWithoutBlanks(s.body, line)
	}
	return "the block is cut off: BEGIN CERTIFICATE is not followed by END CERTIFICATE"
}

// line consumes the next line of the text and returns it without indentation and line end.
func (s *scanner) line() string {
	var line string
	line, s.rest, _ = strings.Cut(s.rest, "\n")
	return strings.TrimSpace(line)
}

// appendWithoutBlanks appends a line without its spaces and tabs.
func appendWithoutBlanks(dst []byte, line string) []byte {
	for {
		at := strings.IndexAny(line, " \t")
		if at < 0 {
			return append(dst, line...)
		}
		dst = append(dst, line[:at]...)
		line = line[at+1:]
	}
}

// marker returns the label of a BEGIN or END line; start selects which of the two.
func marker(line, start string) (label string, ok bool) {
	label, ok = strings.CutPrefix(line, start)
	if !ok {
		return "", false
	}
	label, ok = strings.CutSuffix(label, dashes)
	return label, ok && !strings.Contains(label, "-")
}

// looksLikeMarker reports whether a line is a damaged BEGIN or END line rather than a
// comment. A line that starts with # is a comment regardless of its text, since this is
// how people disable a certificate. A line with a lone CR is not exempt: the CR may be
// meant as a line end, and one # could hide whole blocks.
func looksLikeMarker(line string) bool {
	if strings.HasPrefix(line, "#") && !strings.Contains(line, "\r") {
		return false
	}
	// Word processors replace the dashes, and copying by hand may lose some.
	words := strings.TrimFunc(line, func(r rune) bool { return !unicode.IsLetter(r) })
	if words != line && (strings.EqualFold(words, "BEGIN "+blockType) || strings.EqualFold(words, "END "+blockType)) {
		return true
	}
	if !strings.Contains(line, dashes) {
		return false
	}
	upper := strings.ToUpper(line)
	return strings.Contains(upper, beginMark) || strings.Contains(upper, endMark)
}

// typeFault describes why a block of another type is rejected. It names well-known
// types only: a label is part of the source's text.
func typeFault(label string) string {
	description := "of another type"
	switch {
	case strings.HasSuffix(label, "PRIVATE KEY"):
		description = "a private key, which does not belong here: remove it, and replace the key if others could read it"
	case label == "TRUSTED CERTIFICATE":
		description = "OpenSSL's own TRUSTED CERTIFICATE; convert it with `openssl x509`"
	case label == "CERTIFICATE REQUEST" || label == "NEW CERTIFICATE REQUEST":
		description = "a certificate request"
	case label == "X509 CRL":
		description = "a certificate revocation list"
	case label == "PUBLIC KEY":
		description = "a public key"
	case label == "PKCS7":
		description = "a PKCS #7 file; extract it with `openssl pkcs7 -print_certs`"
	}
	return "only CERTIFICATE blocks are accepted, and this block is " + description
}
