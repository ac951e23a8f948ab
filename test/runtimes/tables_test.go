package runtimes

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// guide is the page with the tables.
const guide = "../../docs/guide/pods.md"

// compare reports how the tables of the guide differ from the given ones, or replaces them
// if the flag -update is set.
func compare(t *testing.T, tables map[string]string) {
	t.Helper()
	content, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	page := string(content)
	for name, table := range tables {
		if page, err = withTable(page, name, table); err != nil {
			t.Fatal(err)
		}
	}
	if *update {
		if err := os.WriteFile(guide, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if page == string(content) {
		return
	}
	before, after := strings.Split(string(content), "\n"), strings.Split(page, "\n")
	t.Errorf("%s differs from the results; if they are right, run go test ./test/runtimes -update:\n%s%s",
		guide, without(before, after, "- "), without(after, before, "+ "))
}

// without returns the lines that others do not contain, each with a prefix.
func without(lines, others []string, prefix string) string {
	var text strings.Builder
	for _, line := range lines {
		if !slices.Contains(others, line) {
			text.WriteString(prefix + line + "\n")
		}
	}
	return text.String()
}

// withTable returns a page with a table in place of the one between the markers of a name.
func withTable(page, name, table string) (string, error) {
	begin, end := fmt.Sprintf("<!-- runtimes %s: go test ./test/runtimes -update -->\n", name), "<!-- end -->\n"
	before, rest, hasBegin := strings.Cut(page, begin)
	_, after, hasEnd := strings.Cut(rest, end)
	if !hasBegin || !hasEnd {
		return "", errors.New("no lines " + begin + "and " + end)
	}
	return before + begin + "\n" + table + "\n" + end + after, nil
}

// programTable has a row for each way and a column for each program.
func programTable(results map[cell]string, ways []way, columns []program) string {
	names := []string{"how the pod gets the bundle"}
	for _, p := range columns {
		names = append(names, p.name)
	}
	rows := [][]string{names}
	for _, w := range ways {
		row := []string{w.title}
		for _, p := range columns {
			row = append(row, inLayouts(results, w.title, p.name))
		}
		rows = append(rows, row)
	}
	return markdown(rows)
}

// settingTable has a row for each setting of one program.
func settingTable(results map[cell]string, settings []way) string {
	rows := [][]string{{"program", "setting", "result"}}
	for _, w := range settings {
		rows = append(rows, []string{w.program, w.title, inLayouts(results, w.title, w.program)})
	}
	return markdown(rows)
}

// inLayouts returns the result of all layouts, or a line for each result with its layouts.
func inLayouts(results map[cell]string, title, program string) string {
	var order []string
	names := map[string][]string{}
	for _, l := range layouts {
		result := results[cell{l.name, title, program}]
		if !slices.Contains(order, result) {
			order = append(order, result)
		}
		names[result] = append(names[result], l.name)
	}
	if len(order) == 1 {
		return order[0]
	}
	for i, result := range order {
		order[i] = result + ": " + strings.Join(names[result], ", ")
	}
	return strings.Join(order, "<br>")
}

// markdown returns a table whose first row is the header.
func markdown(rows [][]string) string {
	var text strings.Builder
	for i, row := range rows {
		fmt.Fprintf(&text, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			text.WriteString(strings.Repeat("|---", len(row)) + "|\n")
		}
	}
	return text.String()
}
