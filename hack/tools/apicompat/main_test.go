package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// checkout writes a checkout with a Go module and a CustomResourceDefinition.
func checkout(t *testing.T, source, definition string) string {
	t.Helper()
	folder := t.TempDir()
	for name, text := range map[string]string{
		"api/go.mod":             "module example.com/api\n\ngo 1.26\n",
		"api/v1/types.go":        source,
		"deploy/crds/thing.yaml": definition,
	} {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

const source = "package v1\n\ntype Thing struct {\n\tName string\n\tCount int\n}\n"

// TestRun checks that removed fields are reported and fail, that an accepted change does not, and
// that an added field is compatible.
func TestRun(t *testing.T) {
	t.Parallel()
	before := checkout(t, source, definitionText)
	removed := strings.Replace(source, "\tCount int\n", "", 1)
	retyped := strings.Replace(source, "Count int", "Count int64", 1)
	added := strings.Replace(source, "\tCount int\n", "\tCount int\n\tMore string\n", 1)
	for name, tc := range map[string]struct {
		after    string
		accepted string
		want     []string
		fails    bool
	}{
		"nothing":          {after: checkout(t, source, definitionText), want: []string{"no incompatible change"}},
		"an added field":   {after: checkout(t, added, definitionText), want: []string{"no incompatible change"}},
		"a removed field":  {after: checkout(t, removed, definitionText), want: []string{"incompatible: Go: ./v1.Thing.Count: removed"}, fails: true},
		"a changed type":   {after: checkout(t, retyped, definitionText), want: []string{"incompatible: Go: ./v1.Thing.Count: changed from int to int64"}, fails: true},
		"a field of a CRD": {after: checkout(t, source, strings.Replace(definitionText, ", key: {type: string}", "", 1)), want: []string{"incompatible: CRD: things.example.com v1alpha1 .spec.sources[].key: removed"}, fails: true},
		"an accepted change": {
			after:    checkout(t, removed, definitionText),
			accepted: "# reviewed\n\nGo: ./v1.Thing.Count: removed\n",
			want:     []string{"accepted: Go: ./v1.Thing.Count: removed", "except for the 1 above"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := []string{before, tc.after}
			if tc.accepted != "" {
				list := filepath.Join(t.TempDir(), "accepted")
				if err := os.WriteFile(list, []byte(tc.accepted), 0o600); err != nil {
					t.Fatal(err)
				}
				args = append([]string{"--accepted", list}, args...)
			}
			var out strings.Builder
			err := run(args, &out)
			if (err != nil) != tc.fails {
				t.Errorf("error %v, want one: %t", err, tc.fails)
			}
			for _, want := range tc.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("want %q in:\n%s", want, out.String())
				}
			}
		})
	}
}

// TestRunRefuses checks that a checkout that cannot be compared is an error, and not compatible.
func TestRunRefuses(t *testing.T) {
	t.Parallel()
	whole := checkout(t, source, definitionText)
	for name, after := range map[string]string{
		"an empty folder":          t.TempDir(),
		"Go that does not compile": checkout(t, "package v1\n\ntype Thing struct{ A undefined }\n", definitionText),
		"an unknown field":         checkout(t, source, "spec: {unknown: 1}\n"),
	} {
		if err := run([]string{whole, after}, &strings.Builder{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := run([]string{whole}, &strings.Builder{}); err == nil {
		t.Error("one argument is accepted")
	}
	if err := run([]string{"--accepted", "missing", whole, whole}, &strings.Builder{}); err == nil {
		t.Error("a missing list is accepted")
	}
}
