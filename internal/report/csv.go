package report

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"time"
)

// csvHeader names the columns. Columns are added at the end, and neither removed nor renamed.
var csvHeader = []string{
	"bundleKind", "bundle", "position", "subject", "sha256", "notBefore", "notAfter",
	"sourceField", "originObject", "originKey", "originBlock", "retainedUntil",
	"namespaces", "standing", "detail",
}

// CSV writes one row for each certificate of each bundle (RFC 4180, with LF), in the order of the
// bundle, and then one for each that is left out, with the reason as detail. Times are as in RFC 3339. A value that a spreadsheet would take for a formula has an
// apostrophe before it.
func CSV(w io.Writer, r *Report) error {
	known := make(map[string]*Certificate, len(r.Certificates))
	for i := range r.Certificates {
		known[r.Certificates[i].SHA256] = &r.Certificates[i]
	}
	writer := csv.NewWriter(w)
	if err := writer.Write(csvHeader); err != nil {
		return err
	}
	for i := range r.Bundles {
		b := &r.Bundles[i]
		for _, entry := range b.Certificates {
			c := known[entry.SHA256]
			block := ""
			if entry.Block > 0 {
				block = strconv.Itoa(entry.Block)
			}
			row := []string{
				b.Kind, b.Name, strconv.Itoa(entry.Position), c.Subject, c.SHA256, csvTime(c.NotBefore), csvTime(&c.NotAfter),
				entry.Field, entry.Object, entry.Key, block, csvTime(entry.RetainedUntil), strconv.Itoa(b.Namespaces), string(entry.Standing), "",
			}
			if err := writeRow(writer, row); err != nil {
				return err
			}
		}
		for _, o := range b.Omitted {
			row := []string{b.Kind, b.Name, "", o.Subject, o.SHA256, "", csvTime(&o.NotAfter), "", "", "", "", "", "0", string(LeftOut), o.Detail}
			if err := writeRow(writer, row); err != nil {
				return err
			}
		}
	}
	writer.Flush()
	return writer.Error()
}

// writeRow writes a row without formulas.
func writeRow(writer *csv.Writer, row []string) error {
	for i := range row {
		row[i] = withoutFormula(row[i])
	}
	return writer.Write(row)
}

func csvTime(at *time.Time) string {
	if at == nil || at.IsZero() {
		return ""
	}
	return at.Format(time.RFC3339)
}

// withoutFormula returns a value that spreadsheets show as it is: they run a value as a formula if
// its first character, after white space, is one of these. Some of them fold characters of full
// width.
func withoutFormula(value string) string {
	if trimmed := strings.TrimSpace(value); trimmed != "" && strings.ContainsRune("=+-@|%＝＋－＠", []rune(trimmed)[0]) {
		return "'" + value
	}
	return value
}
