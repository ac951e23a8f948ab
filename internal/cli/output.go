package cli

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/cli-runtime/pkg/printers"

	"trust-manager.io/internal/text"
)

const (
	// outputTable is the output for people. Its form may change between releases.
	outputTable = "table"
	// documentVersion is the apiVersion of results in JSON and YAML. Fields are added to it, and
	// neither removed nor renamed.
	documentVersion = "cli.trust-manager.io/v1"
)

// document is the result of a command. It is a struct with JSON tags.
type document interface {
	// Kind is the kind of the document in JSON and YAML.
	Kind() string
	// Table writes the result for people.
	Table(page *page)
}

// checkOutput returns an error if a value of the flag --output is not one of those allowed.
func checkOutput(output string, allowed ...string) error {
	for _, format := range allowed {
		if output == format {
			return nil
		}
	}
	return usagef("--output: %q is not one of %s", output, strings.Join(allowed, ", "))
}

// printDocument writes a document to standard output, as table, JSON or YAML.
func printDocument(streams genericiooptions.IOStreams, output string, result document) error {
	if output == outputTable {
		page := newPage(streams.Out)
		result.Table(page)
		return page.flush()
	}
	data, err := json.Marshal(result)
	if err != nil {
		return err
	}
	object := &unstructured.Unstructured{}
	if err := json.Unmarshal(data, &object.Object); err != nil {
		return err
	}
	object.SetAPIVersion(documentVersion)
	object.SetKind(result.Kind())
	var printer printers.ResourcePrinter = &printers.JSONPrinter{}
	if output == outputYAML {
		printer = &printers.YAMLPrinter{}
	}
	return printer.PrintObj(object, streams.Out)
}

// page writes text and tables for people.
type page struct {
	out   io.Writer
	color bool
	err   error
}

// color is an SGR parameter of ECMA-48.
type color string

// The colors.
const (
	red    color = "31"
	green  color = "32"
	yellow color = "33"
	bold   color = "1"
)

func newPage(out io.Writer) *page { return &page{out: out, color: isTerminal(out)} }

// isTerminal reports whether an output is shown to a person who wants colors (https://no-color.org).
func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// painted is a printable text, possibly in a color.
type painted string

// paint returns a text in a color if the page has colors. Table cells cannot be painted: their
// width would be wrong.
func (p *page) paint(c color, plain string) painted {
	plain = text.Printable(plain)
	if !p.color || c == "" {
		return painted(plain)
	}
	return painted("\x1b[" + string(c) + "m" + plain + "\x1b[0m")
}

// printf writes one line. Arguments that are strings are made printable: they may be foreign.
func (p *page) printf(format string, args ...any) {
	for i := range args {
		if plain, ok := args[i].(string); ok {
			args[i] = text.Printable(plain)
		}
	}
	_, err := fmt.Fprintf(p.out, format+"\n", args...)
	p.err = cmp.Or(p.err, err)
}

// table writes rows below a header in aligned columns, or nothing if there is no row.
func (p *page) table(header []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	writer := printers.GetNewTabWriter(p.out)
	for _, row := range append([][]string{header}, rows...) {
		for i := range row {
			row[i] = text.Printable(row[i])
		}
		_, err := fmt.Fprintln(writer, strings.Join(row, "\t"))
		p.err = cmp.Or(p.err, err)
	}
	p.err = cmp.Or(p.err, writer.Flush())
}

// flush returns the first error.
func (p *page) flush() error { return p.err }
