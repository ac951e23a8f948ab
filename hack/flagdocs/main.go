// Command flagdocs writes the reference of the operator's flags, in Markdown, to
// standard output.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/utils/clock"

	"trust-manager.io/internal/app"
)

func main() {
	if err := write(os.Stdout, app.Command(clock.RealClock{})); err != nil {
		fmt.Fprintln(os.Stderr, "flagdocs:", err)
		os.Exit(1)
	}
}

func write(out io.Writer, command *cobra.Command) error {
	var text strings.Builder
	text.WriteString("# Flags of the operator\n\nThis page is generated from the code by `make generate`. Do not edit it.\n\n" +
		"| flag | default | |\n|---|---|---|\n")
	for _, flag := range collect(command.Flags().VisitAll) {
		name := "`--" + flag.Name + "`"
		if flag.Shorthand != "" {
			name += ", `-" + flag.Shorthand + "`"
		}
		value := "none"
		if flag.DefValue != "" && flag.DefValue != "[]" {
			value = "`" + flag.DefValue + "`"
		}
		fmt.Fprintf(&text, "| %s | %s | %s |\n", name, value, strings.ReplaceAll(flag.Usage, "|", `\|`))
	}
	_, err := io.WriteString(out, text.String())
	return err
}

// collect returns what a function visits.
func collect[T any](visit func(func(T))) []T {
	var list []T
	visit(func(value T) { list = append(list, value) })
	return list
}
