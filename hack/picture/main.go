// Command picture draws a terminal as SVG: it runs shell commands and shows each with its output.
//
//	picture COMMAND... >FILE
//
// It fails if a command fails to run; a command may have another status than 0, since some answer
// with it. Long lines are cut.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html/template"
	"io"
	"os"
	"os/exec"
	"strings"
	"unicode/utf8"
)

// The size of the picture: columns of text, and pixels for each character and line.
const (
	columns    = 120
	charWidth  = 8
	lineHeight = 19
	margin     = 18
	titleBar   = 30
)

// line is one line of text at a height.
type line struct {
	Y       int
	Text    string
	Command bool
}

var picture = template.Must(template.New("picture").Parse(`<svg xmlns="http://www.w3.org/2000/svg" width="{{.Width}}" height="{{.Height}}" viewBox="0 0 {{.Width}} {{.Height}}" role="img" aria-label="A terminal with commands of kubectl and their output">
<rect width="100%" height="100%" rx="8" fill="#1b1f24"/>
<g fill="#57606a"><circle cx="20" cy="16" r="5"/><circle cx="38" cy="16" r="5"/><circle cx="56" cy="16" r="5"/></g>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="13" xml:space="preserve">
{{- range .Lines}}
<text x="18" y="{{.Y}}" fill="{{if .Command}}#7ee787{{else}}#d0d7de{{end}}">{{.Text}}</text>
{{- end}}
</g>
</svg>
`))

func main() {
	if err := draw(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

// draw runs the commands and writes the picture.
func draw(commands []string, out io.Writer) error {
	if len(commands) == 0 {
		return errors.New("no command given")
	}
	var lines []line
	add := func(text string, command bool) {
		lines = append(lines, line{Y: titleBar + margin + len(lines)*lineHeight, Text: cut(text), Command: command})
	}
	for i, command := range commands {
		if i > 0 {
			add("", false)
		}
		add("$ "+command, true)
		output, err := run(command)
		if err != nil {
			return fmt.Errorf("%s: %w", command, err)
		}
		for _, text := range strings.Split(strings.TrimRight(output, "\n"), "\n") {
			add(text, false)
		}
	}
	// The pixels of the widest line and of all lines.
	return picture.Execute(out, map[string]any{
		"Width": columns*charWidth + 2*margin, "Height": titleBar + margin + len(lines)*lineHeight, "Lines": lines,
	})
}

// run returns the output of a command.
func run(command string) (string, error) {
	var output bytes.Buffer
	shell := exec.CommandContext(context.Background(), "bash", "-c", command) //nolint:gosec // running what it is given is what it is for
	shell.Stdout, shell.Stderr = &output, &output
	err := shell.Run()
	if status := (*exec.ExitError)(nil); errors.As(err, &status) && status.ExitCode() == 1 {
		err = nil // a finding, such as a difference
	}
	if err != nil {
		err = fmt.Errorf("%w: %s", err, output.String())
	}
	return output.String(), err
}

// cut shortens a text to the width of the picture.
func cut(text string) string {
	if utf8.RuneCountInString(text) <= columns {
		return text
	}
	return string([]rune(text)[:columns-1]) + "…"
}
