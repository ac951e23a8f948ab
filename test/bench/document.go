package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// generated matches a generated block of a page. Its first line names what it shows, `results` or
// `growth`, the JSON file relative to the page, and which rows and sizes, all if not given:
//
//	<!-- bench results performance/run.json rows=new,change sizes=500 -->
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
		tables, err := tablesOf(string(parts[1]), filepath.Join(filepath.Dir(page), string(parts[2])), string(parts[3]))
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

// tablesOf returns the content of a generated block.
func tablesOf(what, path, selection string) (string, error) {
	r, err := readReport(path)
	if err != nil {
		return "", err
	}
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
				return "", fmt.Errorf("%s has no results of %s=%s", path, name, value)
			}
			selected = append(selected, some...)
		}
		r.Results = selected
	}
	if what == "growth" {
		if lines := r.growths(); len(lines) > 1 {
			return table(lines), nil
		}
		return "", fmt.Errorf("%s has no row at several sizes", path)
	}
	return r.header() + "\n\n" + table(r.rows()), nil
}
