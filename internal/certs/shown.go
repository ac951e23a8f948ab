package certs

import (
	"encoding/hex"
	"unicode/utf8"
)

// MaxShown is the largest number of characters of a subject that a status or a
// message shows.
const MaxShown = 128

// ShownSubject gives the subject as statuses and messages show it: one of more than
// MaxShown characters is cut so that "…" is the last of them. Such a certificate is
// best known by its fingerprint.
func (c *Certificate) ShownSubject() string {
	text := c.Subject()
	if len(text) <= MaxShown || utf8.RuneCountInString(text) <= MaxShown {
		return text
	}
	return string([]rune(text)[:MaxShown-1]) + "…"
}

// SHA256 gives the fingerprint in hexadecimal.
func (c *Certificate) SHA256() string { return hex.EncodeToString(c.Fingerprint[:]) }
