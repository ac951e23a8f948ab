// Command clidocs writes the reference of `kubectl trust`, in Markdown, to standard output.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"

	"trust-manager.io/internal/cli"
)

func main() {
	if err := write(os.Stdout, cli.Command(genericiooptions.NewTestIOStreamsDiscard(), clock.RealClock{})); err != nil {
		fmt.Fprintln(os.Stderr, "clidocs:", err)
		os.Exit(1)
	}
}

func write(out io.Writer, root *cobra.Command) error {
	var text strings.Builder
	text.WriteString("# Reference of kubectl trust\n\nThis page is generated from the code by `make generate`. Do not edit it.\n\n" + root.Long + "\n")
	for _, command := range runnable(root) {
		fmt.Fprintf(&text, "\n## %s\n\n%s\n\n```text\n%s\n```\n", strings.TrimPrefix(command.CommandPath(), "kubectl trust "), paragraphs(command.Long), command.UseLine())
		if command.Example != "" {
			fmt.Fprintf(&text, "\n```sh\n%s\n```\n", trimIndent(command.Example))
		}
		text.WriteString("\n| flag | default | |\n|---|---|---|\n")
		for _, flag := range flagsOf(command.LocalFlags().VisitAll) {
			if flag.Hidden || flag.Name == "help" {
				continue
			}
			name, value := "`--"+flag.Name+"`", "none"
			if flag.Shorthand != "" {
				name += ", `-" + flag.Shorthand + "`"
			}
			if flag.DefValue != "" && flag.DefValue != "[]" {
				value = "`" + flag.DefValue + "`"
			}
			fmt.Fprintf(&text, "| %s | %s | %s |\n", name, value, strings.ReplaceAll(flag.Usage, "|", `\|`))
		}
	}
	_, err := io.WriteString(out, text.String())
	return err
}

// runnable returns the commands that do something, depth first.
func runnable(command *cobra.Command) (all []*cobra.Command) {
	for _, child := range command.Commands() {
		if child.HasSubCommands() {
			all = append(all, runnable(child)...)
		} else {
			all = append(all, child)
		}
	}
	return all
}

// paragraphs returns a text with its indented blocks as code.
func paragraphs(long string) string {
	var result strings.Builder
	isCode := false
	for line := range strings.Lines(long + "\n") {
		if indented := strings.HasPrefix(line, "  "); indented != isCode && strings.TrimSpace(line) != "" {
			result.WriteString("```\n")
			isCode = indented
		}
		result.WriteString(strings.TrimPrefix(line, "  "))
	}
	return strings.TrimSpace(result.String())
}

func trimIndent(text string) string {
	return strings.TrimPrefix(strings.ReplaceAll(text, "\n  ", "\n"), "  ")
}

// flagsOf returns what a function visits.
func flagsOf[T any](visit func(func(T))) (list []T) {
	visit(func(value T) { list = append(list, value) })
	return list
}
