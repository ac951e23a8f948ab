package certs

import (
	"encoding/hex"
	"unicode/utf8"
)

// MaxDisplay is the largest number of characters of a subject in a status or a message.
const MaxDisplay = 128

// DisplaySubject returns the subject for statuses and messages. A subject of more than
// [MaxDisplay] characters is truncated to MaxDisplay, the last of which is "…"; such
// a certificate is best identified by its fingerprint.
func (c *Certificate) DisplaySubject() string {
	text := c.Subject()
	if len(text) <= MaxDisplay || utf8.RuneCountInString(text) <= MaxDisplay {
		return text
	}
	return string([]rune(text)[:MaxDisplay-1]) + "…"
}

// SHA256 returns the fingerprint in hexadecimal.
func (c *Certificate) SHA256() string { return hex.EncodeToString(c.Fingerprint[:]) }
