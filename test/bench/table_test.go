package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTable(t *testing.T) {
	t.Parallel()
	want := `| a    | bb |
|------|----|
| ≤ 1× |    |
| x    | yy |
`
	if diff := cmp.Diff(want, table([][]string{{"a", "bb"}, {"≤ 1×", ""}, {"x", "yy"}})); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

func TestPrint(t *testing.T) {
	t.Parallel()
	r := &report{Commit: "abc", Modified: true, Results: []result{
		{Row: "change", Work: "w", Namespaces: 500, Unit: seconds, Value: 2, Raw: 1.6, RawWork: "PUT", Ratio: 1.25, Bound: "≤ 1.3 × PUT", Holds: true, Growth: linear,
			Usage: usage{Writes: 500, Bytes: 1.11e8, CPU: 0.5, Peak: 6e7}},
		{Row: "change", Work: "w", Namespaces: 2000, Unit: seconds, Value: 9, Raw: 6.4, RawWork: "PUT", Ratio: 1.41, Bound: "≤ 1.3 × PUT", Growth: linear},
		{Row: "memory", Work: "m", Namespaces: 500, Unit: megabytes, Value: 5.5e7, Bound: "≤ 60 MB", Holds: true},
	}}
	var text strings.Builder
	if err := r.print(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"abc, with changes",
		"| w    | 500        | 2.00 s   | 1.60 s (PUT) | 1.25  | ≤ 1.3 × PUT | yes   | 500    | 111.0   | 0.50  | 60      |",
		"| w    | 2000       | 9.00 s   | 6.40 s (PUT) | 1.41  | ≤ 1.3 × PUT | NO    |",
		"| m    | 500        | 55.0 MB  |              |       | ≤ 60 MB     | yes   |",
		// 9 s are more than 4 times 2 s and a tenth.
		"| w    | 500  | 2000 | × 4.00   | × 4.50   | × 4.00    | × 1.13 | NO    |",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no line %q in\n%s", want, &text)
		}
	}
}

func TestGrowths(t *testing.T) {
	t.Parallel()
	one := func(size int, growth growth, value float64) result {
		return result{Row: "r", Work: string(growth), Namespaces: size, Growth: growth, Value: value}
	}
	beside := func(r result, raw, ratio float64) result {
		r.Raw, r.Ratio = raw, ratio
		return r
	}
	for name, tc := range map[string]struct {
		small, large result
		want         string
	}{
		"linear":          {one(500, linear, 2), one(2000, linear, 8.7), "yes"},
		"more than that":  {one(500, linear, 2), one(2000, linear, 8.9), "NO"},
		"less than that":  {one(500, linear, 2), one(2000, linear, 4), "yes"},
		"flat":            {one(500, flat, 0.02), one(2000, flat, 0.0219), "yes"},
		"not flat":        {one(500, flat, 0.02), one(2000, flat, 0.0221), "NO"},
		"as the raw one":  {beside(one(500, linear, 2), 1.9, 1.05), beside(one(2000, linear, 11), 10, 1.1), "yes"},
		"above the raw":   {beside(one(500, linear, 2), 1.9, 1.05), beside(one(2000, linear, 12), 10, 1.2), "NO"},
		"raw one linear":  {beside(one(500, linear, 2), 1.9, 1.05), beside(one(2000, linear, 9), 7.6, 1.1), "NO"},
		"raw one faster":  {beside(one(500, linear, 2), 1.9, 1.05), beside(one(2000, linear, 8.7), 5, 1.7), "yes"},
		"of no such kind": {one(500, "", 2), one(2000, "", 9), ""},
	} {
		lines := (&report{Results: []result{tc.small, tc.large}}).growths()
		got := ""
		if len(lines) > 1 {
			got = lines[1][7]
		}
		if got != tc.want {
			t.Errorf("%s: holds %q, want %q", name, got, tc.want)
		}
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	before := &report{Results: []result{
		{Row: "change", Work: "w", Namespaces: 500, Unit: seconds, Value: 2, RawWork: "PUT", Ratio: 1.2, Usage: usage{CPU: 1, Peak: 6e7}},
		{Row: "change", Work: "w", Namespaces: 100, Unit: seconds, Value: 1},
	}}
	after := &report{Results: []result{
		{Row: "change", Work: "w", Namespaces: 500, Unit: seconds, Value: 1.5, RawWork: "PUT", Ratio: 1.1, Usage: usage{CPU: 0.5, Peak: 5e7}},
		{Row: "restart", Work: "not before", Namespaces: 500},
	}}
	want := []string{"w", "500", "2.00 s", "1.50 s", "-25.0 %", "1.20", "1.10", "1.00 → 0.50", "60 → 50"}
	if diff := cmp.Diff([][]string{want}, compare(before, after)[1:]); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}
