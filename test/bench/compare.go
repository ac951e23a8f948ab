package main

import (
	"fmt"
	"io"
)

// compareFiles prints the differences between the results in two files.
func compareFiles(out io.Writer, paths []string) error {
	if len(paths) != 2 {
		return fmt.Errorf("-compare: got %d files, want 2: OLD NEW", len(paths))
	}
	before, err := readReport(paths[0])
	if err != nil {
		return err
	}
	after, err := readReport(paths[1])
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "old: commit %s; new: commit %s\n\n%s", before.Commit, after.Commit, table(compare(before, after)))
	return err
}

// compare returns the lines of a table of the results that both reports contain.
// If there is a raw limit, the ratio is more meaningful than the time, since it
// does not depend on the machine's other load.
func compare(before, after *report) [][]string {
	lines := [][]string{{"work", "namespaces", "old", "new", "change", "old ratio", "new ratio", "CPU s", "peak MB"}}
	type key struct {
		row, work  string
		namespaces int
	}
	known := map[key]result{}
	for _, r := range before.Results {
		known[key{r.Row, r.Work, r.Namespaces}] = r
	}
	for _, now := range after.Results {
		old, ok := known[key{now.Row, now.Work, now.Namespaces}]
		if !ok {
			continue
		}
		change, ratios := "", [2]string{}
		if old.Value > 0 {
			change = fmt.Sprintf("%+.1f %%", 100*(now.Value/old.Value-1))
		}
		if now.RawWork != "" {
			ratios = [2]string{fmt.Sprintf("%.2f", old.Ratio), fmt.Sprintf("%.2f", now.Ratio)}
		}
		lines = append(lines, []string{
			now.Work, fmt.Sprint(now.Namespaces), show(old.Value, old.Unit), show(now.Value, now.Unit), change, ratios[0], ratios[1],
			fmt.Sprintf("%.2f → %.2f", old.Usage.CPU, now.Usage.CPU), fmt.Sprintf("%.0f → %.0f", old.Usage.Peak/1e6, now.Usage.Peak/1e6),
		})
	}
	return lines
}
