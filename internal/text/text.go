package text

import (
	"fmt"
	"strings"
	"unicode"
)

// Truncate returns a text of at most so many bytes; if any are cut off, "…" is added.
func Truncate(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}

// Printable returns a text without format characters, such as U+202E, which reverses what
// follows, and with a space instead of each control character and line separator: the text
// may be foreign, and people read it in a terminal.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Cf, r):
			return -1
		case unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp):
			return ' '
		}
		return r
	}, text)
}

// Count returns a number with its noun, such as "1 certificate" and "2 certificates".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
