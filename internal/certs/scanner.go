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
	wantedType = "CERTIFICATE"
)

// scanner walks through the PEM blocks of a text. It is strict where
// encoding/pem is lenient: that one passes over whatever it cannot read, and a
// bundle would shrink without a word.
type scanner struct {
	rest string
	body []byte // of the block last found; reused
}

// next finds the next block and returns its base64 body without white space,
// valid until the following call. found is false at the end of the text. fault
// says what is wrong with the block, or with what looks like one.
func (s *scanner) next() (body []byte, found bool, fault string) {
	for s.rest != "" {
		line := s.line()
		label, isBegin := marker(line, beginLabel)
		switch {
		case isBegin && label == wantedType:
			fault = s.read()
			return s.body, true, fault
		case isBegin:
			return nil, true, typeFault(label)
		case looksLikeMarker(line):
			return nil, true, "a BEGIN or END line is damaged or has no counterpart; each must stand alone on its line"
		}
	}
	return nil, false, ""
}

// read collects the body of a CERTIFICATE block up to its END line.
func (s *scanner) read() (fault string) {
	s.body = s.body[:0]
	for s.rest != "" {
		line := s.line()
		if strings.HasPrefix(line, dashes) {
			if label, isEnd := marker(line, endLabel); !isEnd || label != wantedType {
				return "the block is cut off: BEGIN CERTIFICATE is not followed by END CERTIFICATE"
			}
			return ""
		}
		if strings.Contains(line, dashes) {
			return "the END line does not stand alone on its line"
		}
		if strings.Contains(line, ":") {
			return "the block has PEM headers, which a certificate must not have (RFC 7468)"
		}
		s.body = appendSolid(s.body, line)
	}
	return "the block is cut off: BEGIN CERTIFICATE is not followed by END CERTIFICATE"
}

// line takes the next line off the text, without its end and indentation.
func (s *scanner) line() string {
	var line string
	line, s.rest, _ = strings.Cut(s.rest, "\n")
	return strings.TrimSpace(line)
}

// appendSolid appends a line without the blanks and tabs in it.
func appendSolid(dst []byte, line string) []byte {
	for {
		at := strings.IndexAny(line, " \t")
		if at < 0 {
			return append(dst, line...)
		}
		dst = append(dst, line[:at]...)
		line = line[at+1:]
	}
}

// marker gives the label of a BEGIN or END line, whichever start names.
func marker(line, start string) (label string, ok bool) {
	label, ok = strings.CutPrefix(line, start)
	if !ok {
		return "", false
	}
	label, ok = strings.CutSuffix(label, dashes)
	return label, ok && !strings.Contains(label, "-")
}

// looksLikeMarker tells a damaged BEGIN or END line from a comment. A line
// that starts with # is a comment whatever it says: that is how people switch
// a certificate off. A lone CR in it may be meant as a line end, and whole
// blocks could then hide behind one #, so such a line is not exempt.
func looksLikeMarker(line string) bool {
	if strings.HasPrefix(line, "#") && !strings.Contains(line, "\r") {
		return false
	}
	// A word processor makes other dashes of them, and a hand may lose some.
	words := strings.TrimFunc(line, func(r rune) bool { return !unicode.IsLetter(r) })
	if words != line && (strings.EqualFold(words, "BEGIN "+wantedType) || strings.EqualFold(words, "END "+wantedType)) {
		return true
	}
	if !strings.Contains(line, dashes) {
		return false
	}
	upper := strings.ToUpper(line)
	return strings.Contains(upper, beginMark) || strings.Contains(upper, endMark)
}

// typeFault explains why a block of another type is refused. Only well-known
// types are named: a label is text of the source like any other.
func typeFault(label string) string {
	known := "of another type"
	switch {
	case strings.HasSuffix(label, "PRIVATE KEY"):
		known = "a private key, which does not belong here: take it out, and replace it if others could read it"
	case label == "TRUSTED CERTIFICATE":
		known = "OpenSSL's own TRUSTED CERTIFICATE; convert it with `openssl x509`"
	case label == "CERTIFICATE REQUEST" || label == "NEW CERTIFICATE REQUEST":
		known = "a certificate request"
	case label == "X509 CRL":
		known = "a certificate revocation list"
	case label == "PUBLIC KEY":
		known = "a public key"
	case label == "PKCS7":
		known = "a PKCS #7 file; extract it with `openssl pkcs7 -print_certs`"
	}
	return "only CERTIFICATE blocks are accepted, and this block is " + known
}
