package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"trust-manager.io/internal/text"
)

// How many entries of a list people see; CSV and JSON have all of them.
const (
	shownFindings   = 10
	shownPlaces     = 2
	shownBundles    = 3
	shownOrigins    = 2
	shownOmissions  = 10
	shownNamespaces = 4
	shownExpiries   = 12
)

// soon is the number of days before its expiry at which a certificate is highlighted. Lint has a
// finding at the same time.
const soon = 90

// shortDigest is how many hexadecimal digits of a digest people see.
const shortDigest = 12

// noData is shown where a value is unknown or does not apply.
const noData = "–"

func formatDate(at time.Time) string { return at.Format(time.DateOnly) }

func formatTime(at time.Time) string { return at.Format("2006-01-02 15:04 MST") }

// formatDay returns the date of a time that may be unknown.
func formatDay(at *time.Time) string {
	if at == nil {
		return noData
	}
	return formatDate(*at)
}

func short(digest string) string {
	if digest == "" {
		return noData
	}
	return digest[:min(len(digest), shortDigest)]
}

// daysLeft returns when a certificate expires, relative to the report.
func daysLeft(days int) string {
	const year, years = 365, 3
	switch {
	case days < 0:
		return text.Count(-days, "day") + " ago"
	case days < years*year:
		return "in " + text.Count(days, "day")
	}
	return "in " + text.Count(days/year, "year")
}

// shown is the beginning of a list.
type shown[T any] struct {
	Items []T
	// More is the number of entries that are left out.
	More int
}

func first[T any](list []T, limit int) shown[T] {
	// To leave out a single entry saves nothing.
	if len(list) <= limit+1 {
		return shown[T]{Items: list}
	}
	return shown[T]{Items: list[:limit], More: len(list) - limit}
}

// joinFirst joins the beginning of a list.
func joinFirst(list []string, limit int, separator string) string {
	if len(list) == 0 {
		return noData
	}
	head := first(list, limit)
	joined := strings.Join(head.Items, separator)
	if head.More > 0 {
		joined += separator + fmt.Sprintf("and %d more", head.More)
	}
	return joined
}

// names returns the bundles that have a certificate. All of many are not listed.
func (r *Report) names(bundles []string) string {
	if len(bundles) > shownBundles && len(bundles) == r.built() {
		return "all " + text.Count(len(bundles), "bundle") + " with certificates"
	}
	return joinFirst(bundles, shownBundles, ", ")
}

// built returns the number of bundles that have certificates.
func (r *Report) built() (n int) {
	for i := range r.Bundles {
		if len(r.Bundles[i].Certificates) > 0 {
			n++
		}
	}
	return n
}

// retained describes until when bundles retain a certificate.
func (c *Certificate) retained() []string {
	var texts []string
	for _, r := range c.Retained {
		texts = append(texts, formatDate(r.Until)+" in "+r.Bundle)
	}
	return texts
}

// count returns the number of certificates for people.
func (s Source) count() string {
	if s.Certificates == nil {
		return noData
	}
	return strconv.Itoa(*s.Certificates)
}

// omitted summarizes what a bundle leaves out.
func (b *Bundle) omitted() string {
	if len(b.Omitted)+b.Duplicates == 0 {
		return noData
	}
	excluded := 0
	for _, o := range b.Omitted {
		if o.IsExclusion {
			excluded++
		}
	}
	var parts []string
	if excluded > 0 {
		parts = append(parts, strconv.Itoa(excluded)+" excluded")
	}
	if n := len(b.Omitted) - excluded; n > 0 {
		parts = append(parts, strconv.Itoa(n)+" by filters")
	}
	if b.Duplicates > 0 {
		parts = append(parts, text.Count(b.Duplicates, "duplicate"))
	}
	return strings.Join(parts, ", ")
}

// states returns the nonzero counts with their states, the most serious ones first.
func (c TargetCounts) states() []stateCount {
	byState := map[TargetState]int{InSync: c.InSync, Stale: c.Stale, Missing: c.Missing, NotCompared: c.NotCompared, LeftOver: c.LeftOver}
	var counts []stateCount
	for _, info := range states {
		if n := byState[info.State]; n > 0 {
			counts = append(counts, stateCount{info, n})
		}
	}
	return counts
}

// stateCount is the number of targets in a state.
type stateCount struct {
	stateInfo
	Count int
}

// String returns the counts for people.
func (c TargetCounts) String() string {
	var parts []string
	for _, s := range c.states() {
		parts = append(parts, fmt.Sprintf("%d %s", s.Count, s.Label))
	}
	if len(parts) == 0 {
		return noData
	}
	return strings.Join(parts, ", ")
}

// label returns the name of a column. The kind is part of it if the matrix has several kinds.
func (m Matrix) label(c Column) string {
	for _, other := range m.Columns {
		if other.Kind != c.Kind {
			return c.Kind + " " + c.Name
		}
	}
	return c.Name
}

// label returns the place that a row is about.
func (r Row) label(limit int) string {
	if r.IsClusterScoped {
		return "cluster-scoped targets"
	}
	names := joinFirst(r.Namespaces, limit, ", ")
	if len(r.Namespaces) > 1 {
		names = fmt.Sprintf("%d namespaces: %s", len(r.Namespaces), names)
	}
	return names
}

// label returns the name of a period for people.
func (p Period) label(now time.Time) string {
	if month, err := time.Parse("2006-01", p.Name); err == nil {
		return month.Format("January 2006")
	}
	// The year in which the detailed months end counts from the month after them.
	if from := time.Date(now.Year(), now.Month()+detailedMonths, 1, 0, 0, 0, 0, time.UTC); strconv.Itoa(from.Year()) == p.Name && from.Month() != time.January {
		return p.Name + " from " + from.Month().String()
	}
	return p.Name
}
