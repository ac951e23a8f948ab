package certs

import (
	"encoding/hex"
	"unicode/utf8"

	"trust-manager.io/internal/text"
)

// MaxDisplay is the largest number of characters of a subject in a status or a message.
const MaxDisplay = 128

// DisplaySubject returns the subject for statuses and messages, without control and format
// characters. A subject of more than
// [MaxDisplay] characters is truncated to MaxDisplay, the last of which is "…"; such
// a certificate is best identified by its fingerprint.
func (c *Certificate) DisplaySubject() string {
	subject := text.Printable(c.Subject())
	if len(subject) <= MaxDisplay || utf8.RuneCountInString(subject) <= MaxDisplay {
		return subject
	}
	return string([]rune(subject)[:MaxDisplay-1]) + "…"
}

// SHA256 returns the fingerprint in hexadecimal.
func (c *Certificate) SHA256() string { return hex.EncodeToString(c.Fingerprint[:]) }
