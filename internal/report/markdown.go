package report

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"

	"trust-manager.io/internal/text"
)

// wideMatrix is the largest number of columns with the states in words.
const wideMatrix = 8

// markdown writes a document in GitHub Flavored Markdown.
type markdown struct{ out bytes.Buffer }

// Markdown writes the report in GitHub Flavored Markdown.
func Markdown(w io.Writer, r *Report) error {
	m := &markdown{}
	m.summary(r)
	m.findings(r)
	m.bundles(r)
	m.matrix(r)
	m.calendar(r)
	m.certificates(r)
	_, err := m.out.WriteTo(w)
	return err
}

// line writes one line. The arguments are escaped if they are strings.
func (m *markdown) line(format string, args ...any) {
	for i := range args {
		if s, ok := args[i].(string); ok {
			args[i] = escapeMarkdown(s)
		}
	}
	_, _ = fmt.Fprintf(&m.out, format+"\n", args...) // a buffer accepts everything
}

// table writes a table, and an empty line before it. All cells are escaped.
func (m *markdown) table(header []string, rows [][]string) {
	rule := make([]string, len(header))
	for i := range rule {
		rule[i] = "---"
	}
	m.line("")
	m.row(header)
	m.out.WriteString("| " + strings.Join(rule, " | ") + " |\n")
	for _, row := range rows {
		m.row(row)
	}
}

func (m *markdown) row(cells []string) {
	escaped := make([]string, len(cells))
	for i := range cells {
		escaped[i] = escapeMarkdown(cells[i])
	}
	m.out.WriteString("| " + strings.Join(escaped, " | ") + " |\n")
}

// list writes a list with a head line, or nothing if it is empty.
func (m *markdown) list(title string, items []string) {
	if len(items) == 0 {
		return
	}
	m.line("\n%s:\n", title)
	for _, item := range items {
		m.line("- %s", item)
	}
}

func (m *markdown) summary(r *Report) {
	c := r.Counts
	m.line("# Trust report\n\nCluster %s, %s\n", r.Cluster, formatTime(r.Time))
	m.line("- %s, %s (%d expired), %s", text.Count(c.Bundles, "bundle"), text.Count(c.Certificates, "certificate"), c.Expired, text.Count(c.Namespaces, "namespace"))
	m.line("- targets: %s", c.Targets.String())
	switch n := c.MissingNotBuilt; {
	case n == 1:
		m.line("- 1 of the missing targets belongs to a bundle that cannot be built")
	case n > 1:
		m.line("- %d of the missing targets belong to bundles that cannot be built", n)
	}
	m.line("- findings: %s, %s, %d for information", text.Count(c.Findings.Error, "error"), text.Count(c.Findings.Warning, "warning"), c.Findings.Info)
	m.list("Notes", r.Notes)
}

func (m *markdown) findings(r *Report) {
	m.line("\n## Findings")
	if len(r.Findings) == 0 {
		m.line("\nLint has no findings.")
	}
	for _, rule := range r.Findings {
		m.line("\n### %s: %s (%d)\n\n%s\n", rule.Level, rule.Rule, len(rule.Findings), rule.Summary)
		head := first(rule.Findings, shownFindings)
		for _, f := range head.Items {
			place := joinFirst(f.Places, shownPlaces, "; ")
			if f.Certificate != "" {
				place = f.Certificate + " (" + place + ")"
			}
			m.line("- %s: %s", place, f.Detail)
		}
		if head.More > 0 {
			m.line("- and %d more", head.More)
		}
	}
}

func (m *markdown) bundles(r *Report) {
	m.line("\n## Bundles")
	if len(r.Bundles) == 0 {
		m.line("\nThe cluster has no bundles.")
		return
	}
	var rows [][]string
	for i := range r.Bundles {
		b := &r.Bundles[i]
		expiry := noData
		if b.FirstExpiry != nil {
			expiry = formatDate(b.FirstExpiry.NotAfter) + ", " + daysLeft(b.FirstExpiry.DaysLeft)
		}
		rows = append(rows, []string{b.Kind, b.Name, b.StateLabel(), strconv.Itoa(len(b.Certificates)), expiry, b.Targets.String(), b.omitted(), formatDay(b.LastChanged), short(b.Digest)})
	}
	m.table([]string{"Kind", "Name", "State", "Certificates", "First expiry", "Targets", "Left out", "Last changed", "Digest"}, rows)
	for i := range r.Bundles {
		m.bundle(&r.Bundles[i])
	}
}

// bundle writes the details of one bundle.
func (m *markdown) bundle(b *Bundle) {
	m.line("\n### %s %s", b.Kind, b.Name)
	if b.Message != "" {
		m.line("\n%s: %s", b.StateLabel(), b.Message)
	}
	m.list("It cannot be built now", b.Problems)
	m.list("Notes", b.Notes)
	var sources, omitted []string
	for _, s := range b.Sources {
		source := s.Field + ": " + s.Description
		if s.Certificates != nil {
			source += ", " + text.Count(*s.Certificates, "certificate")
		}
		sources = append(sources, source)
	}
	m.list("Sources", sources)
	head := first(b.Omitted, shownOmissions)
	for _, o := range head.Items {
		omitted = append(omitted, o.Subject+" ("+short(o.SHA256)+"): "+o.Detail)
	}
	if head.More > 0 {
		omitted = append(omitted, fmt.Sprintf("and %d more", head.More))
	}
	m.list("Left out", omitted)
}

func (m *markdown) matrix(r *Report) {
	m.line("\n## Bundles by namespace")
	if len(r.Matrix.Columns) == 0 {
		m.line("\nNo bundle has a target.")
		return
	}
	isWide := len(r.Matrix.Columns) > wideMatrix
	if isWide {
		var legend []string
		for _, s := range states {
			legend = append(legend, s.Symbol+" "+s.Label)
		}
		m.line("\n%s", strings.Join(legend, ", "))
	}
	header := []string{"Namespaces"}
	for _, c := range r.Matrix.Columns {
		header = append(header, r.Matrix.label(c))
	}
	var rows [][]string
	for _, row := range r.Matrix.Rows {
		cells := []string{row.label(len(row.Namespaces))}
		for _, cell := range row.Cells {
			switch {
			case isWide:
				cells = append(cells, cell.State.Symbol())
			case cell.Detail != "":
				cells = append(cells, cell.Detail)
			default:
				cells = append(cells, cell.State.Label())
			}
		}
		rows = append(rows, cells)
	}
	m.table(header, rows)
}

func (m *markdown) calendar(r *Report) {
	m.line("\n## Expiry calendar")
	if len(r.Calendar) == 0 {
		m.line("\nNo bundle has a certificate.")
		return
	}
	var rows [][]string
	for _, p := range r.Calendar {
		var names []string
		for _, c := range p.Certificates {
			names = append(names, c.Subject+" ("+formatDate(c.NotAfter)+")")
		}
		rows = append(rows, []string{p.label(r.Time), strconv.Itoa(len(names)), joinFirst(names, shownExpiries, "; ")})
	}
	m.table([]string{"Expires", "Certificates", "Which"}, rows)
}

func (m *markdown) certificates(r *Report) {
	m.line("\n## Certificates")
	if len(r.Certificates) == 0 {
		m.line("\nNo bundle has a certificate.")
		return
	}
	var rows [][]string
	for i := range r.Certificates {
		c := &r.Certificates[i]
		rows = append(rows, []string{
			c.Subject, short(c.SHA256), formatDate(c.NotAfter), daysLeft(c.DaysLeft), r.names(c.Bundles),
			joinFirst(c.Origins, shownOrigins, "; "), joinFirst(c.retained(), shownBundles, "; "),
		})
	}
	m.table([]string{"Subject", "SHA-256", "Expires", "Left", "Bundles", "From", "Retained until"}, rows)
}

// markdownEscaper escapes what Markdown, its tables and its automatic links and mentions treat as
// syntax. Entities take effect inside of tables as well.
var markdownEscaper = strings.NewReplacer(
	"&", "&amp;", "<", "&lt;", ">", "&gt;", "|", "&#124;", "\\", "\\\\", "`", "\\`", "*", "\\*", "_", "\\_", "[", "\\[", "]", "\\]",
	"!", "\\!", "#", "\\#", "~", "\\~", "$", "\\$", "@", "&#64;", "://", "&#58;//", "www.", "www&#46;", "\n", " ", "\r", " ",
)

func escapeMarkdown(foreign string) string { return markdownEscaper.Replace(foreign) }
