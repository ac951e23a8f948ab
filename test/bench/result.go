package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// unit is that of a figure. Times are kept in seconds and sizes in bytes, however
// they are shown.
type unit string

// The units.
const (
	seconds      unit = "s"
	milliseconds unit = "ms"
	megabytes    unit = "MB"
	kilobytes    unit = "KB"
	count        unit = ""
)

// growth says how a figure may grow with the number of namespaces.
type growth string

// The kinds of growth.
const (
	// linear: as the number does, and no more than a tenth above that.
	linear growth = "linear"
	// flat: not at all, but for a tenth.
	flat growth = "flat"
)

// figure is what a row gives: one line of the table.
type figure struct {
	work string
	unit unit
	// raw names what it is compared with, if anything.
	raw string
	// ratio bounds how many times as long as the raw client the operator may take,
	// extra aside; 0 for no such bound.
	ratio float64
	// limit bounds the figure itself, where ratio is 0.
	limit float64
	// extra names what is left out of the ratio.
	extra  string
	growth growth
}

// series is what the repetitions of a row have given: for each, one for each
// figure.
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
	// machine between them does not count.
	Ratio float64
	// Bound is as it is shown; Holds says whether it does.
	Bound  string
	Holds  bool
	Growth growth
	Usage  usage
}

// results gives the figures of a row that was measured often enough.
func (l *series) results(r *row, size int) []result {
	var list []result
	for j, f := range r.figures {
		one := result{Row: r.name, Work: f.work, Namespaces: size, Unit: f.unit, RawWork: f.raw, Growth: f.growth}
		var ratios, extras []float64
		var used usages
		for _, all := range l.taken {
			m := all[j]
			one.Values = append(one.Values, m.value)
			extras = append(extras, m.extra)
			if f.raw != "" {
				one.Raws = append(one.Raws, m.raw)
				ratios = append(ratios, (m.value-m.extra)/m.raw)
			}
			used = append(used, m.usage)
		}
		one.Value, one.Raw, one.Extra, one.Ratio = median(one.Values), median(one.Raws), median(extras), median(ratios)
		one.Usage = used.median()
		one.judge(f)
		list = append(list, one)
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
	r.Bound, r.Holds = "≤ "+bare(f.limit, f.unit), r.Value <= f.limit
}

// usages are those of several repetitions.
type usages []usage

// median gives the median of each part, but the largest peak.
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

// median gives the middle of a list, the mean of the middle two where there are
// two, and 0 for none.
func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	list = slices.Sorted(slices.Values(list))
	return (list[len(list)/2] + list[(len(list)-1)/2]) / 2
}

// report is all that a run has found, and where.
type report struct {
	Commit       string
	Modified     bool
	Date         time.Time
	Go, Platform string
	CPUs         int
	// Certificates and Bytes are those of the large Bundle.
	Certificates, Bytes int
	Results             []result
}

func newReport(ctx context.Context) *report {
	r := &report{Date: time.Now().UTC().Truncate(time.Second), Go: runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH, CPUs: runtime.NumCPU()}
	r.Commit = git(ctx, "rev-parse", "--short=12", "HEAD")
	r.Modified = git(ctx, "status", "--porcelain", "--untracked-files=no") != ""
	return r
}

// git gives what a command of git says; nothing where there is no repository.
func git(ctx context.Context, arguments ...string) string {
	output, _ := exec.CommandContext(ctx, "git", arguments...).Output()
	return strings.TrimSpace(string(output))
}

// describe notes what is measured.
func (r *report) describe(s *stage) {
	r.Certificates, r.Bytes = s.certificates+1, len(s.roots)+len(s.sources[0])
}

func (r *report) write(path string) error {
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
