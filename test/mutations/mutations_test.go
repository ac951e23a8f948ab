package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

// contractID finds the IDs of docs/contract.md: each is the first cell of a row.
var contractID = regexp.MustCompile(`(?m)^\| ([A-Z]\d+) \|`)

// mutated has the letters of the contract whose IDs need a mutation.
const mutated = "STV"

// TestMutations checks that each mutation applies to the current sources, names an ID of
// the contract and a test that exists, and that each ID of S, T and V has a mutation.
func TestMutations(t *testing.T) {
	t.Parallel()
	mutations, err := load(".", "")
	if err != nil {
		t.Fatal(err)
	}
	hasMutation := map[string]bool{}
	for _, found := range contractID.FindAllStringSubmatch(read(t, "docs/contract.md"), -1) {
		hasMutation[found[1]] = false
	}
	for _, m := range mutations {
		if _, ok := hasMutation[m.id]; !ok {
			t.Errorf("%s: docs/contract.md has no %s", m.name, m.id)
		}
		hasMutation[m.id] = true
		if _, err := m.apply(read(t, m.file)); err != nil {
			t.Error(err)
		}
		if !hasTest(t, m.test) {
			t.Errorf("%s: there is no test %s", m.name, m.test)
		}
	}
	for id, ok := range hasMutation {
		if strings.Contains(mutated, id[:1]) && !ok {
			t.Errorf("%s has no mutation", id)
		}
	}
}

// read returns the text of a file of the checkout.
func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// hasTest reports whether a test exists.
func hasTest(t *testing.T, test testRef) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, test.folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\nfunc "+test.name+"(") {
			return true
		}
	}
	return false
}

const header = "id: S9\nchange: c\nfile: f.go\ntest: internal/bundle TestBuild\n"

// TestParse checks which files are valid mutations.
func TestParse(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ name, text, err string }{
		"valid":             {"S9-x", header + "\n keep\n-old\n+new\n", ""},
		"valid, count":      {"S9-x", header + "count: 2\n\n-old\n", ""},
		"no change":         {"S9-x", header, "no empty line"},
		"another name":      {"S10-x", header + "\n-old\n", "the name must"},
		"no short name":     {"S9", header + "\n-old\n", "the name must"},
		"no test":           {"S9-x", "id: S9\nchange: c\nfile: f.go\n\n-old\n", "the header must"},
		"a pattern":         {"S9-x", strings.Replace(header, "TestBuild", "-run Build", 1) + "\n-old\n", "is not a folder and a test"},
		"count of 1":        {"S9-x", header + "count: 1\n\n-old\n", "count:"},
		"unknown header":    {"S9-x", header + "why: x\n\n-old\n", "unknown header"},
		"a line unmarked":   {"S9-x", header + "\n-old\nnew\n", "must start with"},
		"an empty line":     {"S9-x", header + "\n-old\n\n+new\n", "must start with"},
		"no newline":        {"S9-x", header + "\n-old\n+new", "end in a newline"},
		"nothing to find":   {"S9-x", header + "\n+new\n", "removes no line"},
		"nothing different": {"S9-x", header + "\n-old\n+old\n", "changes nothing"},
	} {
		m, err := parse(tc.name, tc.text)
		if tc.err == "" && (err != nil || m.before == "" || m.test.folder != "internal/bundle") || tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)) {
			t.Errorf("%s: %+v, error %v, want one with %q", name, m, err, tc.err)
		}
	}
}

// TestApply checks that a mutation applies only where whole lines occur as often as it
// expects.
func TestApply(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		text, want string
		count      int
	}{
		"once":              {"a\nold\nb\n", "a\nnew\nb\n", 1},
		"first line":        {"old\nb\n", "new\nb\n", 1},
		"last line":         {"a\nold\n", "a\nnew\n", 1},
		"missing":           {"a\nb\n", "", 1},
		"twice":             {"old\na\nold\n", "", 1},
		"twice as expected": {"old\na\nold\n", "new\na\nnew\n", 2},
		"once, not twice":   {"old\na\n", "", 2},
		"parts of lines":    {"older\n old\nold \n", "", 1},
	} {
		m := mutation{name: "S9-x", file: "f.go", before: "old\n", after: "new\n", count: tc.count}
		got, err := m.apply(tc.text)
		if got != tc.want || (err != nil) != (tc.want == "") {
			t.Errorf("%s: %q, error %v, want %q", name, got, err, tc.want)
		}
		if err != nil && (!strings.Contains(err.Error(), "S9-x") || !strings.Contains(err.Error(), "f.go")) {
			t.Errorf("%s: the error %q does not name the mutation and the file", name, err)
		}
	}
}

// TestTry checks that only a failed test kills a mutation, that the test runs on the
// mutated file, and that the file is restored.
func TestTry(t *testing.T) {
	t.Parallel()
	const (
		pass     = `{"Action":"pass","Test":"TestA"}` + "\n"
		fail     = `{"Action":"fail","Test":"TestA/sub"}` + "\n" + `{"Action":"fail","Test":"TestA"}` + "\n" + `{"Action":"fail"}` + "\n"
		noBuild  = `{"Action":"build-output","Output":"undefined: x"}` + "\n" + `{"Action":"build-fail"}` + "\n" + `{"Action":"fail"}` + "\n"
		noServer = `{"Action":"output","Output":"cannot start"}` + "\n" + `{"Action":"fail"}` + "\n"
		late     = `{"Action":"output","Output":"panic: test timed out after 5m0s\n"}` + "\n" + `{"Action":"fail","Test":"TestA"}` + "\n"
		noTest   = `{"Action":"pass"}` + "\n"
	)
	failure := errors.New("exit status 1")
	for name, tc := range map[string]struct {
		output       string
		failure      error
		verdict, err string
	}{
		"killed":                {fail, failure, "killed by TestA", ""},
		"survived":              {pass, nil, survived, ""},
		"does not build":        {noBuild, failure, "", "undefined: x"},
		"fails without a test":  {noServer, failure, "", "cannot start"},
		"times out":             {late, failure, "", "timed out"},
		"no test runs":          {noTest, nil, "", "there is no test"},
		"no output in the form": {"cannot find module\n", failure, "", "cannot find module"},
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "f.go")
		if err := os.WriteFile(file, []byte("old\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		text := func() string {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Error(err)
			}
			return string(content)
		}
		r := runner{dir: dir, goTest: func(context.Context, string, string, []string) ([]byte, error) {
			if got := text(); got != "new\n" {
				t.Errorf("%s: the test runs on %q", name, got)
			}
			return []byte(tc.output), tc.failure
		}}
		m := mutation{name: "S9-x", file: "f.go", before: "old\n", after: "new\n", count: 1, test: testRef{"a", "TestA"}}
		verdict, err := r.try(t.Context(), m)
		if verdict != tc.verdict || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s: %q, error %v, want %q and an error with %q", name, verdict, err, tc.verdict, tc.err)
		}
		if got := text(); got != "old\n" {
			t.Errorf("%s: afterwards the file has %q", name, got)
		}
	}
}

// TestSplit checks that mutations whose tests need an API server are skipped without one.
func TestSplit(t *testing.T) {
	t.Parallel()
	mutations := []mutation{{name: "V1-x", test: testRef{"test/admission", "TestA"}}, {name: "S1-x", test: testRef{"internal/a", "TestA"}}}
	if usable, skipped := split(mutations, false); len(usable) != 1 || usable[0].name != "S1-x" || len(skipped) != 1 {
		t.Errorf("without a server: usable %v, skipped %v", usable, skipped)
	}
	if usable, skipped := split(mutations, true); len(usable) != 2 || len(skipped) != 0 {
		t.Errorf("with a server: usable %v, skipped %v", usable, skipped)
	}
}
