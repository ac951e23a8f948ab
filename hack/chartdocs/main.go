// Command chartdocs writes the table of a Helm chart's values, in Markdown, to
// standard output. It reads values.yaml from standard input. The description of a
// value is the comment before it, which starts with "# -- ".
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/util/yaml"
)

func main() {
	if err := write(os.Stdout, os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "chartdocs:", err)
		os.Exit(1)
	}
}

// value is one documented value.
type value struct {
	path, description string
}

var (
	begin = regexp.MustCompile(`^\s*# -- (.*)$`)
	more  = regexp.MustCompile(`^\s*# (.*)$`)
	entry = regexp.MustCompile(`^(\s*)([A-Za-z]+):`)
)

// documented returns the values that have a description, in the order of the file.
func documented(in io.Reader) ([]value, error) {
	var (
		values  []value
		path    []string
		pending []string
	)
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		line := lines.Text()
		switch match := entry.FindStringSubmatch(line); {
		case begin.MatchString(line):
			pending = []string{begin.FindStringSubmatch(line)[1]}
		case pending != nil && more.MatchString(line):
			pending = append(pending, more.FindStringSubmatch(line)[1])
		case match != nil:
			path = append(path[:min(len(path), len(match[1])/2)], match[2])
			if pending != nil {
				values = append(values, value{strings.Join(path, "."), strings.Join(pending, " ")})
			}
			pending = nil
		}
	}
	return values, lines.Err()
}

func write(out io.Writer, in io.Reader) error {
	text, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	var all map[string]any
	if err := yaml.Unmarshal(text, &all); err != nil {
		return err
	}
	values, err := documented(strings.NewReader(string(text)))
	if err != nil {
		return err
	}
	if _, err := fmt.Fprint(out, "| value | default | |\n|---|---|---|\n"); err != nil {
		return err
	}
	for _, v := range values {
		standard, err := defaultOf(all, v)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "| `%s` | %s | %s |\n", v.path, standard, v.description); err != nil {
			return err
		}
	}
	return nil
}

// defaultOf returns the default of a value as JSON.
func defaultOf(all map[string]any, v value) (string, error) {
	var node any = all
	for name := range strings.SplitSeq(v.path, ".") {
		parent, ok := node.(map[string]any)
		if !ok {
			return "", fmt.Errorf("%s: value not found", v.path)
		}
		node = parent[name]
	}
	if node == nil {
		return "unset", nil
	}
	text, err := json.Marshal(node)
	return "`" + string(text) + "`", err
}
