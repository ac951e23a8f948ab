package certs

import (
	"encoding/hex"
	"unicode/utf8"
)

// MaxShown is the largest number of characters of a subject in a status or a message.
const MaxShown = 128

// ShownSubject returns the subject for statuses and messages. A subject of more than
// [MaxShown] characters is truncated to MaxShown, the last of which is "…"; such
// a certificate is best identified by its fingerprint.
func (c *Certificate) ShownSubject() string {
	text := c.Subject()
	if len(text) <= MaxShown || utf8.RuneCountInString(text) <= MaxShown {
		return text
	}
	return string([]rune(text)[:MaxShown-1]) + "…"
}

// SHA256 returns the fingerprint in hexadecimal.
func (c *Certificate) SHA256() string { return hex.EncodeToString(c.Fingerprint[:]) }
