package report

import (
	_ "embed"
	"html/template"
	"io"
	"strconv"
	"strings"
	"time"

	"trust-manager.io/internal/text"
)

// htmlSource is the template. It has the style sheet, so that the document needs no other file.
//
//go:embed report.html.tmpl
var htmlSource string

// rotatedHeads is the largest number of columns of a matrix with horizontal heads.
const rotatedHeads = 6

// htmlPage is what the template shows.
type htmlPage struct {
	*Report
	States    []stateInfo
	Grid      []gridYear
	IsRotated bool
}

// gridYear is a year of the calendar grid.
type gridYear struct {
	Year int
	// Months has an entry for each month from January on.
	Months []gridMonth
}

// gridMonth is one month of the calendar grid.
type gridMonth struct {
	Label string
	Count int
	// IsOutside reports that the month is before or after those that the calendar has in detail.
	IsOutside bool
	// Anchor identifies the row of the month in the calendar.
	Anchor string
}

// HTML writes the report as one HTML document.
func HTML(w io.Writer, r *Report) error {
	page := htmlPage{Report: r, States: states, Grid: grid(r), IsRotated: len(r.Matrix.Columns) > rotatedHeads}
	parsed, err := template.New("report").Funcs(htmlFuncs(r)).Parse(htmlSource)
	if err != nil {
		return err
	}
	return parsed.Execute(w, page)
}

// htmlFuncs returns the functions of the template.
func htmlFuncs(r *Report) template.FuncMap {
	return template.FuncMap{
		"count": text.Count, "date": formatDate, "day": formatDay, "time": formatTime, "short": short, "left": daysLeft,
		"join": strings.Join, "urgency": urgency, "sourceCount": Source.count,
		"places":     func(list []string) string { return joinFirst(list, shownPlaces, "; ") },
		"origins":    func(list []string) string { return joinFirst(list, shownOrigins, "; ") },
		"bundles":    r.names,
		"retained":   func(c Certificate) string { return joinFirst(c.retained(), shownBundles, "; ") },
		"stateLabel": func(b Bundle) string { return b.StateLabel() },
		"omitted":    func(b Bundle) string { return b.omitted() },
		"states":     func(c TargetCounts) []stateCount { return c.states() },
		"findings":   func(list []Finding) shown[Finding] { return first(list, shownFindings) },
		"omissions":  func(list []Omission) shown[Omission] { return first(list, shownOmissions) },
		"expiries":   func(list []Expiry) shown[Expiry] { return first(list, shownExpiries) },
		"column":     r.Matrix.label,
		"row":        func(row Row) string { return row.label(shownNamespaces) },
		"hasMore":    func(row Row) bool { return len(row.Namespaces) > shownNamespaces+1 },
		"cell":       r.cellTitle,
		"period":     func(p Period) string { return p.label(r.Time) },
		"isExpired":  func(p Period) bool { return p.Name == expiredPeriod },
		"monthNames": monthNames,
	}
}

// cellTitle describes a cell of the matrix, with the bundle of its column.
func (r *Report) cellTitle(column int, cell Cell) string {
	state := cell.State.Label()
	if cell.Detail != "" {
		state = cell.Detail
	}
	return r.Matrix.label(r.Matrix.Columns[column]) + ": " + state
}

// urgency returns the class of an expiry.
func urgency(days int) string {
	switch {
	case days < 0:
		return "expired"
	case days < soon:
		return "soon"
	}
	return ""
}

// monthNames returns the abbreviated names of the months.
func monthNames() []string {
	names := make([]string, 12)
	for i := range names {
		names[i] = time.Month(i + 1).String()[:3]
	}
	return names
}

// grid returns the years and months that the calendar has in detail.
func grid(r *Report) []gridYear {
	counts := map[string]int{}
	for _, p := range r.Calendar {
		counts[p.Name] = len(p.Certificates)
	}
	begin := monthOf(r.Time)
	var years []gridYear
	for year := r.Time.Year(); year*12 < begin+detailedMonths; year++ {
		row := gridYear{Year: year}
		for month := time.January; month <= time.December; month++ {
			at := time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
			name := at.Format("2006-01")
			row.Months = append(row.Months, gridMonth{
				Label: month.String() + " " + strconv.Itoa(year), Count: counts[name], Anchor: "expiry-" + name,
				IsOutside: monthOf(at) < begin || monthOf(at) >= begin+detailedMonths,
			})
		}
		years = append(years, row)
	}
	return years
}
