// Package contract checks docs/contract.md: that each behaviour of the contract
// is mapped to tests, and that these tests exist and name the behaviour. It also checks
// that in docs/threat-model.md each threat has tests that exist, or a reason to be accepted.
//
// It does not run those tests. Package test/mutations checks that they notice defects.
package contract

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	root    = "../.."
	table   = "docs/contract.md"
	threats = "docs/threat-model.md"
)

// sizes is how many ids each letter of the contract has.
var sizes = map[string]int{"A": 17, "V": 8, "S": 14, "T": 15, "C": 6, "D": 4, "E": 6, "F": 6, "R": 6, "K": 6, "L": 12, "P": 4}

// row is one line of the table.
type row struct {
	id    string
	tests []string
}

// Every id has a row with tests that exist and name it, and no other id has one.
func TestEveryBehaviourIsProven(t *testing.T) {
	t.Parallel()
	tests := testsOf(t)
	rows := rowsOf(t)
	for _, r := range rows {
		if !slices.Contains(ids(), r.id) {
			t.Errorf("%s: not an id of the contract", r.id)
		}
		for _, fault := range r.faults(tests) {
			t.Errorf("%s: %s", r.id, fault)
		}
	}
	for _, id := range ids() {
		if count := len(slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return r.id != id })); count != 1 {
			t.Errorf("%s has %d rows in %s, want 1", id, count, table)
		}
	}
}

// A row that proves nothing is noticed.
func TestFaults(t *testing.T) {
	t.Parallel()
	tests := map[string]string{"a TestOne": "// S1: it holds.\nfunc TestOne() {}", "a TestRange": "// S3 to S5\nfunc TestRange() {}"}
	for name, tc := range map[string]struct {
		row    row
		faults int
	}{
		"proven":             {row{"S1", []string{"a TestOne"}}, 0},
		"proven in a range":  {row{"S4", []string{"a TestRange"}}, 0},
		"outside of a range": {row{"S6", []string{"a TestRange"}}, 1},
		"another letter":     {row{"C3", []string{"a TestRange"}}, 1},
		"part of another id": {row{"S", []string{"a TestOne"}}, 1},
		"no test":            {row{"S1", nil}, 1},
		"no such test":       {row{"S1", []string{"a TestTwo"}}, 1},
	} {
		if got := tc.row.faults(tests); len(got) != tc.faults {
			t.Errorf("%s: %q, want %d faults", name, got, tc.faults)
		}
	}
}

// faults returns what is wrong with a row.
func (r row) faults(tests map[string]string) []string {
	var faults []string
	if len(r.tests) == 0 {
		faults = append(faults, "no test is named")
	}
	for _, name := range r.tests {
		text, exists := tests[name]
		switch {
		case !exists:
			faults = append(faults, fmt.Sprintf("there is no test %q", name))
		case !names(text, r.id):
			faults = append(faults, fmt.Sprintf("the test %q does not name it", name))
		}
	}
	return faults
}

var span = regexp.MustCompile(`\b([A-Z])(\d+) to ([A-Z])(\d+)\b`)

// names reports whether a text has the id, by itself or within a range.
func names(text, id string) bool {
	if regexp.MustCompile(`\b` + id + `\b`).MatchString(text) {
		return true
	}
	for _, found := range span.FindAllStringSubmatch(text, -1) {
		var from, to, number int
		if _, err := fmt.Sscan(found[2]+" "+found[4]+" "+id[1:], &from, &to, &number); err != nil {
			continue
		}
		if found[1] == id[:1] && from <= number && number <= to {
			return true
		}
	}
	return false
}

// ids returns all ids of the contract.
func ids() []string {
	var list []string
	for letter, size := range sizes {
		for number := range size {
			list = append(list, fmt.Sprint(letter, number+1))
		}
	}
	return list
}

var quoted = regexp.MustCompile("`([^`]+)`")

// rowsOf reads the table: | id | behaviour | tests, each in backquotes |.
func rowsOf(t *testing.T) []row {
	t.Helper()
	var rows []row
	for _, cells := range cellsOf(t, table, regexp.MustCompile(`^[A-Z]\d+$`)) {
		rows = append(rows, row{id: cells[0], tests: quotedIn(cells[2])})
	}
	return rows
}

// cellsOf reads the lines of a document's tables whose first cell is an id; each has
// at least three cells.
func cellsOf(t *testing.T, document string, id *regexp.Regexp) (lines [][]string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, document))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		cells[0] = strings.TrimSpace(cells[0])
		if len(cells) >= 3 && id.MatchString(cells[0]) {
			lines = append(lines, cells)
		}
	}
	return lines
}

// quotedIn returns the texts in backquotes.
func quotedIn(cell string) (names []string) {
	for _, name := range quoted.FindAllStringSubmatch(cell, -1) {
		names = append(names, name[1])
	}
	return names
}

// testsOf returns the source of each test of the root module with its comment, by
// folder and name: "internal/bundle TestBuild".
func testsOf(t *testing.T) map[string]string {
	t.Helper()
	tests := map[string]string{}
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, source, parser.ParseComments)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		for _, declaration := range file.Decls {
			function, ok := declaration.(*ast.FuncDecl)
			if !ok || function.Recv != nil || !regexp.MustCompile(`^(Test|Fuzz)`).MatchString(function.Name.Name) {
				continue
			}
			from := function.Pos()
			if function.Doc != nil {
				from = function.Doc.Pos()
			}
			text := source[files.Position(from).Offset:files.Position(function.End()).Offset]
			tests[filepath.ToSlash(folder)+" "+function.Name.Name] = string(text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests
}
