// Package text shortens and counts for messages to people. It knows nothing of what the
// messages are about.
package text

import (
	"fmt"
	"strings"
)

// Truncate returns a text of at most so many bytes; if any are cut off, "…" is added.
func Truncate(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}

// Count returns a number with its noun, such as "1 certificate" and "2 certificates".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
