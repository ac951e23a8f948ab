package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWriteTables(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := &report{Commit: "abc"}
	for _, size := range []int{500, 2000} {
		for _, row := range []string{"new", "change"} {
			r.Results = append(r.Results, result{Row: row, Work: "work of " + row, Namespaces: size, Unit: seconds, Value: float64(size), Growth: linear})
		}
	}
	if err := r.write(filepath.Join(dir, "run.json")); err != nil {
		t.Fatal(err)
	}
	page := filepath.Join(dir, "page.md")
	write := func(text string) (string, error) {
		t.Helper()
		if err := os.WriteFile(page, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := writeTables(page)
		written, readErr := os.ReadFile(page)
		if readErr != nil {
			t.Fatal(readErr)
		}
		return string(written), err
	}
	text, err := write("Before.\n\n<!-- bench results run.json rows=new sizes=500 -->\nstale\n<!-- end -->\n\nBetween.\n\n<!-- bench growth run.json rows=change -->\n<!-- end -->\n\nAfter.\n")
	if err != nil {
		t.Fatal(err)
	}
	for part, want := range map[string]int{"Before.\n": 1, "Between.\n": 1, "After.\n": 1, "stale": 0, "Commit abc;": 1,
		"| work of new | 500 ": 1, "work of new": 1, "| work of change | 500  | 2000 | × 4.00": 1, "<!-- bench": 2, "<!-- end -->": 2} {
		if got := strings.Count(text, part); got != want {
			t.Errorf("%q is there %d times, want %d:\n%s", part, got, want, text)
		}
	}
	if again, err := write(text); again != text || err != nil {
		t.Errorf("written again: %v\n%s", err, again)
	}
	for _, block := range []string{"results missing.json", "results run.json rows=new,other", "results run.json sizes=50", "growth run.json sizes=500"} {
		before := "<!-- bench " + block + " -->\nstale\n<!-- end -->\n"
		if after, err := write(before); err == nil || !strings.Contains(err.Error(), block) || after != before {
			t.Errorf("%s: error %v, %q", block, err, after)
		}
	}
	for _, block := range []string{"<!-- bench results run.json row=new -->\n<!-- end -->\n", "<!-- bench results run.json -->\n"} {
		if after, err := write(block); err == nil || !strings.Contains(err.Error(), "understood") || after != block {
			t.Errorf("%s: error %v, %q", block, err, after)
		}
	}
}
