package report

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"trust-manager.io/internal/text"
)

// Report describes the trust of a cluster. Fields are added to it, and neither removed nor
// renamed.
type Report struct {
	Cluster string    `json:"cluster"`
	Time    time.Time `json:"time"`
	Notes   []string  `json:"notes,omitempty"`
	Counts  Counts    `json:"counts"`
	// Findings has one entry for each rule with a finding, the most serious ones first.
	Findings []RuleFindings `json:"findings"`
	// Bundles are ordered by name.
	Bundles []Bundle `json:"bundles"`
	// Certificates has each certificate once, ordered by expiry.
	Certificates []Certificate `json:"certificates"`
	// Calendar has the periods in which certificates expire.
	Calendar []Period `json:"calendar"`
	Matrix   Matrix   `json:"matrix"`
}

// Counts are the numbers at the top of a report.
type Counts struct {
	Bundles int `json:"bundles"`
	// Certificates counts distinct certificates, and Expired those of them that have expired.
	Certificates int          `json:"certificates"`
	Expired      int          `json:"expired"`
	Namespaces   int          `json:"namespaces"`
	Targets      TargetCounts `json:"targets"`
	// MissingNotBuilt counts the missing targets of bundles that cannot be built now.
	MissingNotBuilt int         `json:"missingNotBuilt"`
	Findings        LevelCounts `json:"findings"`
}

// LevelCounts counts findings by level.
type LevelCounts struct {
	Error   int `json:"error"`
	Warning int `json:"warning"`
	Info    int `json:"info"`
}

// New returns the report about an input.
func New(in Input) *Report {
	in.Bundles = slices.Clone(in.Bundles)
	slices.SortFunc(in.Bundles, func(a, b InputBundle) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind))
	})
	in.Time = whole(in.Time)
	r := &Report{
		Cluster: clean(in.Cluster), Time: in.Time, Notes: cleanAll(in.Notes),
		Findings: ruleFindings(in), Bundles: make([]Bundle, 0, len(in.Bundles)),
		Certificates: certificates(in), Matrix: matrix(in),
	}
	r.Calendar = calendar(r.Certificates, in.Time)
	r.Counts = Counts{Bundles: len(in.Bundles), Certificates: len(r.Certificates), Namespaces: len(in.Namespaces)}
	for i := range in.Bundles {
		b := newBundle(&in.Bundles[i], in)
		r.Bundles = append(r.Bundles, b)
		r.Counts.Targets.add(b.Targets)
		if len(b.Problems) > 0 {
			r.Counts.MissingNotBuilt += b.Targets.Missing
		}
	}
	for i := range r.Certificates {
		if r.Certificates[i].DaysLeft < 0 {
			r.Counts.Expired++
		}
	}
	for _, rule := range r.Findings {
		r.Counts.Findings.add(rule.Level, len(rule.Findings))
	}
	return r
}

func (c *LevelCounts) add(level string, n int) {
	switch level {
	case levelError:
		c.Error += n
	case levelWarning:
		c.Warning += n
	default:
		c.Info += n
	}
}

// clean returns a foreign text in a form that all formats can hold.
func clean(foreign string) string {
	return text.Printable(strings.ToValidUTF8(foreign, "\uFFFD"))
}

func cleanAll(foreign []string) []string {
	cleaned := make([]string, len(foreign))
	for i := range foreign {
		cleaned[i] = clean(foreign[i])
	}
	return cleaned
}

// whole returns a time in UTC and whole seconds, as certificates and statuses have them.
func whole(at time.Time) time.Time { return at.UTC().Truncate(time.Second) }

func wholeOrNil(at *time.Time) *time.Time {
	if at == nil {
		return nil
	}
	t := whole(*at)
	return &t
}

// daysBetween returns the number of whole days from one time to a later one. It is negative if the
// second time is earlier.
func daysBetween(now, then time.Time) int {
	const day = 24 * 60 * 60
	seconds := then.Unix() - now.Unix() // a Duration overflows after 292 years
	days := seconds / day
	if seconds%day < 0 {
		days--
	}
	return int(days)
}
