package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// generated matches a generated block of a page. Its first line names what it shows, `results` or
// `growth`, the JSON files relative to the page, of which no two have the same results, and which
// rows and sizes, all if not given:
//
//	<!-- bench results performance/one.json,performance/two.json rows=new,change sizes=500 -->
var generated = regexp.MustCompile(`(?s)<!-- bench (results|growth) (\S+)((?: (?:rows|sizes)=\S+)*) -->\n.*?<!-- end -->`)

// blockStart begins each generated block.
const blockStart = "<!-- bench"

// writeTables writes the generated blocks of a page again. A block that is not understood is an
// error.
func writeTables(page string) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	var fault error
	written := generated.ReplaceAllFunc(text, func(block []byte) []byte {
		parts := generated.FindSubmatch(block)
		first, _, _ := bytes.Cut(block, []byte("\n"))
		tables, err := tablesOf(string(parts[1]), filepath.Dir(page), string(parts[2]), string(parts[3]))
		if err != nil && fault == nil {
			fault = fmt.Errorf("%s: %s: %w", page, first, err)
		}
		return slices.Concat(first, []byte("\n\n"+tables+"\n<!-- end -->"))
	})
	if understood := len(generated.FindAll(text, -1)); fault == nil && understood != bytes.Count(text, []byte(blockStart)) {
		fault = fmt.Errorf("%s: of the lines with %q, only %d begin a block that is understood and ends", page, blockStart, understood)
	}
	if fault != nil || bytes.Equal(text, written) {
		return fault
	}
	return os.WriteFile(page, written, 0o600)
}

// tablesOf returns the content of a generated block. The directory is that of the page.
func tablesOf(what, dir, paths, selection string) (string, error) {
	var r report
	var headers []string
	for path := range strings.SplitSeq(paths, ",") {
		one, err := readReport(filepath.Join(dir, path))
		if err != nil {
			return "", err
		}
		headers = append(headers, one.header())
		r.Results = append(r.Results, one.Results...)
	}
	slices.SortStableFunc(r.Results, func(a, b result) int { return cmp.Compare(a.Namespaces, b.Namespaces) })
	for field := range strings.FieldsSeq(selection) {
		name, list, _ := strings.Cut(field, "=")
		of := func(res result) string { return strconv.Itoa(res.Namespaces) }
		if name == "rows" {
			of = func(res result) string { return res.Row }
		}
		var selected []result
		for _, value := range strings.Split(list, ",") {
			some := slices.DeleteFunc(slices.Clone(r.Results), func(res result) bool { return of(res) != value })
			if len(some) == 0 {
				return "", fmt.Errorf("%s has no results of %s=%s", paths, name, value)
			}
			selected = append(selected, some...)
		}
		r.Results = selected
	}
	if what == "growth" {
		if lines := r.growths(); len(lines) > 1 {
			return table(lines), nil
		}
		return "", fmt.Errorf("%s has no row at several sizes", paths)
	}
	return strings.Join(headers, "\n\n") + "\n\n" + table(r.rows()), nil
}
