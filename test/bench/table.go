package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// print writes the results as Markdown tables, which are also readable as text.
func (r *report) print(out io.Writer) error {
	text := r.header() + "\n\n" + table(r.rows())
	if growths := r.growths(); len(growths) > 1 {
		text += "\n" + table(growths)
	}
	_, err := io.WriteString(out, text)
	return err
}

// header returns a line that describes the run.
func (r *report) header() string {
	commit := r.Commit
	if r.Modified {
		commit += ", with changes"
	}
	return fmt.Sprintf("Commit %s; %s; %s on %s, %d cores; the large Bundle has %d certificates in %d bytes.",
		commit, r.Date.Format("2006-01-02"), r.Go, r.Platform, r.CPUs, r.Certificates, r.Bytes)
}

// rows returns the lines of the table of results, with the column headings first.
func (r *report) rows() [][]string {
	lines := [][]string{{"work", "namespaces", "operator", "raw limit", "ratio", "bound", "holds", "writes", "MB sent", "CPU s", "peak MB"}}
	for _, res := range r.Results {
		lines = append(lines, res.cells())
	}
	return lines
}

func (r *result) cells() []string {
	raw, ratio := "", ""
	if r.RawWork != "" {
		raw = show(r.Raw, r.Unit) + " (" + r.RawWork + ")"
		ratio = fmt.Sprintf("%.2f", r.Ratio)
	}
	return []string{
		r.Work, fmt.Sprint(r.Namespaces), show(r.Value, r.Unit), raw, ratio, r.Bound, verdict(r.Holds),
		fmt.Sprintf("%.0f", r.Usage.Writes), fmt.Sprintf("%.1f", r.Usage.Bytes/1e6),
		fmt.Sprintf("%.2f", r.Usage.CPU), fmt.Sprintf("%.0f", r.Usage.Peak/1e6),
	}
}

// line returns a result as printed during the run.
func (r *result) line() string {
	return fmt.Sprintf("%d namespaces, %s: %s, bound %s: %s (ratio %.2f; all: %s)",
		r.Namespaces, r.Work, show(r.Value, r.Unit), r.Bound, verdict(r.Holds), r.Ratio, showAll(r.Values, r.Unit))
}

func verdict(holds bool) string {
	if holds {
		return "yes"
	}
	return "NO"
}

// table returns lines as a Markdown table. The first line contains the headings.
func table(lines [][]string) string {
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var text strings.Builder
	for number, line := range lines {
		for i, cell := range line {
			text.WriteString("| " + cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+1))
		}
		text.WriteString("|\n")
		if number == 0 {
			for _, width := range widths {
				text.WriteString("|" + strings.Repeat("-", width+2))
			}
			text.WriteString("|\n")
		}
	}
	return text.String()
}

// show formats a value with its unit and its significant digits.
func show(value float64, u unit) string {
	switch u {
	case seconds:
		return fmt.Sprintf("%.2f s", value)
	case milliseconds:
		return fmt.Sprintf("%.1f ms", value*1e3)
	case megabytes:
		return fmt.Sprintf("%.1f MB", value/1e6)
	case kilobytes:
		return fmt.Sprintf("%.2f KB", value/1e3)
	default:
		return fmt.Sprintf("%.0f", value)
	}
}

// bare formats a bound without trailing zeros.
func bare(value float64, u unit) string {
	factor := map[unit]float64{milliseconds: 1e3, megabytes: 1e-6, kilobytes: 1e-3}[u]
	if factor == 0 {
		factor = 1
	}
	return strings.TrimSpace(fmt.Sprintf("%g %s", value*factor, u))
}

func showAll(values []float64, u unit) string {
	var all []string
	for _, value := range values {
		all = append(all, show(value, u))
	}
	return strings.Join(all, ", ")
}
