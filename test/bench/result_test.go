package main

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMedian(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		list []float64
		want float64
	}{
		"none": {nil, 0},
		"one":  {[]float64{3}, 3},
		"odd":  {[]float64{9, 1, 4}, 4},
		"even": {[]float64{8, 1, 2, 4}, 3},
	} {
		if got := median(tc.list); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

// Ratios are computed per repetition, so that a machine that slows down between
// two repetitions has no effect.
func TestResults(t *testing.T) {
	t.Parallel()
	r := &row{name: "change", figures: []figure{{work: "w", unit: seconds, raw: "PUT", ratio: 1.3, growth: linear}}}
	l := series{taken: [][]measured{
		{{value: 1.2, raw: 1, usage: usage{Writes: 5, CPU: 1, Peak: 10}}},
		{{value: 2.4, raw: 2, usage: usage{Writes: 5, CPU: 2, Peak: 30}}},
		{{value: 12, raw: 10, usage: usage{Writes: 8, CPU: 9, Peak: 20}}},
	}}
	want := []result{{
		Row: "change", Work: "w", Namespaces: 500, Unit: seconds, Value: 2.4, Raw: 2, RawWork: "PUT", Ratio: 1.2,
		Values: []float64{1.2, 2.4, 12}, Raws: []float64{1, 2, 10}, Bound: "≤ 1.3 × PUT", Holds: true, Growth: linear,
		Usage: usage{Writes: 5, CPU: 2, Peak: 30},
	}}
	if diff := cmp.Diff(want, l.results(r, 500)); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		figure figure
		result result
		bound  string
		holds  bool
	}{
		"within a ratio": {figure{raw: "PUT", ratio: 1.3}, result{Ratio: 1.3}, "≤ 1.3 × PUT", true},
		"beyond a ratio": {figure{raw: "PUT", ratio: 1.3}, result{Ratio: 1.31}, "≤ 1.3 × PUT", false},
		"with an extra":  {figure{raw: "POST", ratio: 1.3, extra: "encoding"}, result{Ratio: 1, Extra: 0.012}, "≤ 1.3 × POST + encoding (12.0 ms)", true},
		"within a limit": {figure{unit: milliseconds, limit: 0.05}, result{Value: 0.05}, "≤ 50 ms", true},
		"beyond a limit": {figure{unit: kilobytes, limit: 1500}, result{Value: 1501}, "≤ 1.5 KB", false},
		"none at all":    {figure{unit: count, limit: 0}, result{Value: 1}, "≤ 0", false},
	} {
		got := tc.result
		got.judge(tc.figure)
		if got.Bound != tc.bound || got.Holds != tc.holds {
			t.Errorf("%s: %q holds: %t, want %q: %t", name, got.Bound, got.Holds, tc.bound, tc.holds)
		}
	}
}

func TestReportRoundTrip(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "report.json")
	wrote := &report{Commit: "c", CPUs: 2, Results: []result{{Row: "new", Unit: seconds, Value: 1, Holds: true}}}
	if err := wrote.write(path); err != nil {
		t.Fatal(err)
	}
	read, err := readReport(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wrote, read); diff != "" {
		t.Errorf("report (-written +read):\n%s", diff)
	}
}

// The names of rows are unique, and each row can be judged.
func TestRows(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, g := range groups {
		for _, r := range g {
			if seen[r.name] || r.name == "" {
				t.Errorf("the name %q is empty or duplicate", r.name)
			}
			seen[r.name] = true
			if len(r.figures) == 0 || (r.other == nil) != (r.act != nil && r.doneWhen != nil) {
				t.Errorf("%s: want figures, and either other or both act and doneWhen", r.name)
			}
			for _, f := range r.figures {
				if f.ratio > 0 && f.raw == "" {
					t.Errorf("%s: a ratio without raw work", r.name)
				}
			}
		}
	}
	if got := chosen(map[string]bool{"change": true, "restart": true}, 500); len(got) != 2 || len(got[0]) != 1 {
		t.Errorf("chosen rows: %v", got)
	}
	for size, want := range map[int]int{100: len(groups) - 1, 500: len(groups), 2000: len(groups) - 2, 5000: len(groups) - 5} {
		if got := chosen(nil, size); len(got) != want {
			t.Errorf("%d groups at %d namespaces, want %d", len(got), size, want)
		}
	}
}

func TestParseOptions(t *testing.T) {
	t.Parallel()
	o, err := parseOptions("new, change", "100,500", 3)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{100, 500}, o.sizes); diff != "" || len(o.rows) != 2 || o.repetitions != 3 {
		t.Errorf("options %v, sizes (-want +got):\n%s", o, diff)
	}
	for name, invalid := range map[string]struct {
		rows, sizes string
		repetitions int
	}{
		"an unknown row":             {"nothing", "100", 1},
		"not a number":               {"", "many", 1},
		"too small":                  {"", "10", 1},
		"descending":                 {"", "500,100", 1},
		"no size":                    {"", "", 1},
		"no repetition":              {"", "100", 0},
		"the same size":              {"", "100,100", 1},
		"a known and an unknown row": {"new,nothing", "100", 1},
	} {
		if _, err := parseOptions(invalid.rows, invalid.sizes, invalid.repetitions); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
