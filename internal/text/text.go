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

// Printable returns a text with a space instead of each control character: the text may be
// foreign, and people read it in a terminal.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
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
