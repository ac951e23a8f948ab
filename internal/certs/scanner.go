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
	// oldBlockType is the label that RFC 7468, 5.1, calls obsolete.
	oldBlockType = "X509 CERTIFICATE"

	byteOrderMark = "\ufeff"
	// invisible are characters without width that editors and web pages add before a line.
	invisible = byteOrderMark + "\u200b\u200c\u200d\u2060"
	// endOfFile are bytes that some programs append to a text.
	endOfFile = "\x00\x1a"
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
		case isBegin && (label == blockType || label == oldBlockType):
			fault = s.readBody(label)
			return s.body, true, fault
		case isBegin:
			return nil, true, typeFault(label)
		case looksLikeMarker(line):
			return nil, true, "a BEGIN or END line is damaged or has no counterpart; each must be on a line of its own"
		}
	}
	return nil, false, ""
}

// readBody reads the body of a block up to the END line with the same label.
func (s *scanner) readBody(label string) (fault string) {
	s.body = s.body[:0]
	for s.rest != "" {
		line := s.line()
		if strings.HasPrefix(line, dashes) {
			if end, isEnd := marker(line, endLabel); !isEnd || end != label {
				return cutOff(label)
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
	return cutOff(label)
}

func cutOff(label string) string {
	return "the block is cut off: BEGIN " + label + " is not followed by END " + label
}

// line consumes the next line of the text and returns it without indentation and line end.
// An END line that is joined with the next BEGIN line, as files without a final line end
// are, counts as two lines.
func (s *scanner) line() string {
	text := s.rest
	line, rest, _ := strings.Cut(text, "\n")
	s.rest = rest
	if end, begin := joinedLines(line); begin > 0 {
		line, s.rest = line[:end], text[begin:]
	}
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, dashes) {
		line = strings.TrimRight(line, invisible+" \t")
	}
	if begin := strings.TrimLeft(line, invisible+" \t"); strings.HasPrefix(begin, beginLabel) {
		return begin
	}
	return line
}

// joinedLines returns where the END line ends and the BEGIN line starts in a line that
// consists of both, or zeros.
func joinedLines(line string) (end, begin int) {
	begin = strings.Index(line, beginLabel)
	if begin <= 0 {
		return 0, 0
	}
	before := strings.TrimRight(line[:begin], invisible+" \t")
	if _, isEnd := marker(strings.TrimSpace(before), endLabel); !isEnd {
		return 0, 0
	}
	return len(before), begin
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

// isComment reports whether a line is a comment: it starts with #, which is how people
// disable a certificate. A line with a lone CR, or with another character that may be meant
// as a line end, is none, and neither is one with both a BEGIN and an END: one # could hide
// whole blocks.
func isComment(line string) bool {
	return strings.HasPrefix(line, "#") && !strings.ContainsAny(line, "\r\v\f\u0085\u2028\u2029") &&
		(!strings.Contains(line, beginMark) || !strings.Contains(line, endMark))
}

// looksLikeMarker reports whether a line is a damaged BEGIN or END line rather than a
// comment.
func looksLikeMarker(line string) bool {
	if isComment(line) {
		return false
	}
	// Word processors replace the dashes, and copying by hand may lose some.
	words := strings.TrimFunc(line, func(r rune) bool { return !unicode.IsLetter(r) })
	if words != line {
		for _, label := range []string{blockType, oldBlockType} {
			if strings.EqualFold(words, "BEGIN "+label) || strings.EqualFold(words, "END "+label) {
				return true
			}
		}
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
	case label == "PKCS7" || label == "PKCS #7 SIGNED DATA" || label == "CMS":
		description = "a PKCS #7 file; extract it with `openssl pkcs7 -print_certs`"
	}
	return "only CERTIFICATE blocks are accepted, and this block is " + description
}
