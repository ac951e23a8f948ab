package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// unit is the unit in which a figure is printed. Times are stored in seconds and
// sizes in bytes.
type unit string

// The units.
const (
	seconds      unit = "s"
	milliseconds unit = "ms"
	megabytes    unit = "MB"
	kilobytes    unit = "KB"
	count        unit = ""
)

// growth is the allowed growth of a figure with the number of namespaces.
type growth string

// The kinds of growth.
const (
	// linear: proportional to the number, with a tolerance of 10%.
	linear growth = "linear"
	// flat: constant, with a tolerance of 10%.
	flat growth = "flat"
)

// figure is a result of a row: one line of the table.
type figure struct {
	work string
	unit unit
	// raw describes the raw work that it is compared with, or is empty.
	raw string
	// ratio is the maximum ratio of the operator's time, without extra, to the raw
	// client's, or 0.
	ratio float64
	// limit is the maximum of the figure itself if ratio is 0, and perNamespace what each
	// namespace adds to it.
	limit, perNamespace float64
	// extra describes the time that the ratio excludes.
	extra  string
	growth growth
}

// series are the measurements of a row: for each repetition, one per figure.
type series struct{ taken [][]measured }

// result is one figure of a row at one number of namespaces.
type result struct {
	Row, Work  string
	Namespaces int
	Unit       unit
	// Value, Raw and Extra are medians.
	Value, Raw, Extra float64
	Values, Raws      []float64
	RawWork           string
	// Ratio is the median of the ratios of the repetitions, so that a drift of the
	// machine between them has no effect.
	Ratio float64
	// Bound is the bound as printed. Holds reports whether the result is within it.
	Bound  string
	Holds  bool
	Growth growth
	Usage  usage
}

// results returns the figures of a row from all of its repetitions.
func (l *series) results(r *row, size int) []result {
	var list []result
	for j, f := range r.figures {
		res := result{Row: r.name, Work: f.work, Namespaces: size, Unit: f.unit, RawWork: f.raw, Growth: f.growth}
		var ratios, extras []float64
		var used usages
		for _, all := range l.taken {
			m := all[j]
			res.Values = append(res.Values, m.value)
			extras = append(extras, m.extra)
			if f.raw != "" {
				res.Raws = append(res.Raws, m.raw)
				ratios = append(ratios, (m.value-m.extra)/m.raw)
			}
			used = append(used, m.usage)
		}
		res.Value, res.Raw, res.Extra, res.Ratio = median(res.Values), median(res.Raws), median(extras), median(ratios)
		res.Usage = used.median()
		res.judge(f)
		list = append(list, res)
	}
	return list
}

// judge compares the result with its bound.
func (r *result) judge(f figure) {
	if f.ratio > 0 {
		r.Bound, r.Holds = fmt.Sprintf("≤ %g × %s", f.ratio, f.raw), r.Ratio <= f.ratio
		if f.extra != "" {
			r.Bound += fmt.Sprintf(" + %s (%s)", f.extra, show(r.Extra, milliseconds))
		}
		return
	}
	limit := f.limit + f.perNamespace*float64(r.Namespaces)
	r.Bound, r.Holds = "≤ "+bare(limit, f.unit), r.Value <= limit
}

// usages are the usages of several repetitions.
type usages []usage

// median returns the median of each field, and the maximum of the peaks.
func (l usages) median() usage {
	of := func(part func(usage) float64) float64 {
		var list []float64
		for _, u := range l {
			list = append(list, part(u))
		}
		return median(list)
	}
	m := usage{
		Writes: of(func(u usage) float64 { return u.Writes }),
		Bytes:  of(func(u usage) float64 { return u.Bytes }),
		CPU:    of(func(u usage) float64 { return u.CPU }),
	}
	for _, u := range l {
		m.Peak = max(m.Peak, u.Peak)
	}
	return m
}

// median returns the median of a list, or 0 if it is empty.
func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	list = slices.Sorted(slices.Values(list))
	return (list[len(list)/2] + list[(len(list)-1)/2]) / 2
}

// report contains the results of a run and describes its environment.
type report struct {
	Commit       string
	Modified     bool
	Date         time.Time
	Go, Platform string
	CPUs         int
	// Certificates and Bytes describe the content of the large Bundle.
	Certificates, Bytes int
	Results             []result
}

// newReport returns a report that describes the environment.
func newReport(ctx context.Context) *report {
	r := &report{Date: time.Now().UTC().Truncate(time.Second), Go: runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH, CPUs: runtime.NumCPU()}
	r.Commit = git(ctx, "rev-parse", "--short=12", "HEAD")
	r.Modified = git(ctx, "status", "--porcelain", "--untracked-files=no") != ""
	return r
}

// git returns the output of a git command, or "" outside a repository.
func git(ctx context.Context, arguments ...string) string {
	output, _ := exec.CommandContext(ctx, "git", arguments...).Output()
	return strings.TrimSpace(string(output))
}

// describe records the content of the large Bundle.
func (r *report) describe(s *stage) {
	r.Certificates, r.Bytes = s.certificates+1, len(s.roots)+len(s.sources[0])
}

// write writes the results to a file, and creates its directory. An empty path means none.
func (r *report) write(path string) error {
	if path == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o600)
}

func readReport(path string) (*report, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &report{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}
