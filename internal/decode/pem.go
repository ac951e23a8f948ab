package decode

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"trust-manager.io/internal/certs"
)

const beginLabel = "-----BEGIN "

// beginLine finds BEGIN lines: indented, after characters without width, or joined with the END
// line before, as package certs allows.
var beginLine = regexp.MustCompile(`(?m)(?:^|-----)[ \t\r\x{feff}\x{200b}-\x{200d}\x{2060}]*(-----BEGIN ([^-\r\n]{1,64})-----)`)

// readPEM reads all blocks of a text (RFC 7468). Package certs reads what is between blocks of
// other types.
func (r *reader) readPEM(text string) error {
	for start := 0; ; {
		found := nextOther(text, start)
		if found == nil {
			return r.readBlocks(text[start:])
		}
		if err := r.readBlocks(text[start:found.begin]); err != nil {
			return err
		}
		if err := r.readOther(text, found); err != nil {
			return err
		}
		start = found.end
	}
}

// block is a block of another type than CERTIFICATE: the range of its lines and of its body.
type block struct {
	label                     string
	begin, body, bodyEnd, end int
}

// nextOther returns the next block of another type than CERTIFICATE, or nil. The end of a block
// that is cut off is 0.
func nextOther(text string, start int) *block {
	for at := start; ; {
		match := beginLine.FindStringSubmatchIndex(text[at:])
		if match == nil {
			return nil
		}
		label := text[at+match[4] : at+match[5]]
		if label == "CERTIFICATE" || label == "X509 CERTIFICATE" {
			at += match[3]
			continue
		}
		found := &block{label: label, begin: at + match[2], body: at + match[3]}
		endLine := "-----END " + label + "-----"
		if length := strings.Index(text[found.body:], endLine); length >= 0 && !strings.Contains(text[found.body:found.body+length], beginLabel) {
			found.bodyEnd = found.body + length
			found.end = found.bodyEnd + len(endLine)
		}
		return found
	}
}

// readBlocks reads CERTIFICATE blocks.
func (r *reader) readBlocks(text string) error {
	result, problem := certs.Parse(text, certs.Origin{})
	if problem != nil {
		if problem.Origin.Block > 0 {
			problem.Origin.Block += r.blocks
		}
		return problem
	}
	for _, certificate := range result.Certificates {
		certificate.Origin.Block += r.blocks
		r.content.Entries = append(r.content.Entries, Entry{Certificate: certificate})
	}
	for _, skipped := range result.Skipped {
		skipped.Origin.Block += r.blocks
		r.content.Notes = append(r.content.Notes, skipped.Error())
	}
	r.blocks += len(result.Certificates) + len(result.Skipped)
	return nil
}

// readOther reads a block of PKCS#7, and counts one of any other type.
func (r *reader) readOther(text string, found *block) error {
	r.blocks++
	if found.end == 0 {
		return fmt.Errorf("block %d: the block is cut off: its BEGIN line is not followed by the END line", r.blocks)
	}
	kind, isPKCS7 := kindOf(found.label)
	if !isPKCS7 {
		r.content.count(kind)
		return nil
	}
	body := strings.Join(strings.Fields(text[found.body:found.bodyEnd]), "")
	der, err := base64.StdEncoding.DecodeString(body)
	if err != nil {
		err = errors.New("the base64 text does not decode; the block is damaged")
	} else {
		err = r.readPKCS7(der, certs.Origin{Block: r.blocks})
	}
	if err != nil {
		return fmt.Errorf("block %d: %w", r.blocks, err)
	}
	r.content.count("PKCS#7 block")
	return nil
}

// kindOf returns what is in a block, by its label. It names well-known types only: a label is part
// of the file.
func kindOf(label string) (kind string, isPKCS7 bool) {
	switch {
	case label == "PKCS7" || label == "PKCS #7 SIGNED DATA" || label == "CMS":
		return "", true
	case label == "ENCRYPTED PRIVATE KEY":
		return "encrypted private key", false
	case strings.HasSuffix(label, "PRIVATE KEY"):
		return privateKey, false
	case label == "CERTIFICATE REQUEST" || label == "NEW CERTIFICATE REQUEST":
		return "certificate request", false
	case label == "TRUSTED CERTIFICATE":
		return "OpenSSL trusted certificate", false
	case label == "X509 CRL":
		return "revocation list", false
	case strings.HasSuffix(label, "PUBLIC KEY"):
		return "public key", false
	case strings.HasSuffix(label, "PARAMETERS"):
		return "block of parameters", false
	}
	return "block of another type", false
}

// privateKey is the kind of private keys in [Other].
const privateKey = "private key"
