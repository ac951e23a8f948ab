package cli

import (
	"fmt"
	"io"
	"strings"

	"trust-manager.io/internal/text"
)

// warnf writes one line to standard error. The line is made printable, since names may be foreign.
func warnf(errOut io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintln(errOut, text.Printable(fmt.Sprintf(format, args...)))
}

// printError writes an error to standard error. Each of its lines is made printable.
func printError(errOut io.Writer, err error, hint string) {
	for line := range strings.Lines("kubectl trust: " + strings.TrimRight(err.Error(), "\n") + hint) {
		warnf(errOut, "%s", strings.TrimSuffix(line, "\n"))
	}
}
