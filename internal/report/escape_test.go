package report_test

import (
	"encoding/csv"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"trust-manager.io/internal/report"
)

// hostile are texts that a format could take for syntax. Each has the word "payload".
var hostile = map[string]string{
	"script":        `<script>payload()</script>`,
	"attribute":     `" onmouseover="payload()`,
	"single quote":  `' onmouseover='payload()`,
	"end of title":  `</title></style><img src=x onerror=payload()>`,
	"comment":       `--><!-- payload`,
	"template":      `{{payload}}`,
	"entity":        `&lt;payload&gt;`,
	"override":      "payload\u202Egnp.exe\u2066",
	"newlines":      "payload\r\n# heading\u2028x\n| a | b |",
	"control":       "payload\x1b[31m\x00",
	"not UTF-8":     "payload\xff\xfe",
	"formula":       `=cmd|' /C payload'!A0`,
	"plus":          `+payload`,
	"minus":         `-payload`,
	"at":            `@payload`,
	"tab":           "\t=payload",
	"full width":    `＝payload`,
	"table":         `payload | x`,
	"link":          `[payload](https://example.com)`,
	"automatic":     `https://example.com/payload www.example.com payload@example.com`,
	"code":          "`payload`",
	"emphasis":      `**payload** __x__ ~~y~~`,
	"only a quote":  `payload"`,
	"backslash":     `payload\`,
	"javascript":    `javascript:payload()`,
	"comma":         `payload,"x"`,
	"right-to-left": "payload \u05d0\u05d1",
}

// hostileInput returns a report with a text at every place of the input.
func hostileInput(text string) report.Input {
	in := fake(size{2, 3, 4})
	in.Namespaces = append(in.Namespaces, text)
	fill(reflect.ValueOf(&in).Elem(), text)
	in.Rules = []report.Rule{{ID: text, Level: "error", Summary: text}}
	in.Bundles[0].Conditions = []report.Condition{{Type: "Ready", IsTrue: true, Message: text}}
	for i := range in.Bundles {
		for j := range in.Bundles[i].Certificates {
			in.Bundles[i].Certificates[j].SHA256 = fingerprint(string(rune('a' + i + j)))
		}
	}
	return in
}

// fill sets every string of a value.
func fill(value reflect.Value, text string) {
	switch value.Kind() {
	case reflect.String:
		value.SetString(text)
	case reflect.Pointer:
		if !value.IsNil() {
			fill(value.Elem(), text)
		}
	case reflect.Slice:
		for i := range value.Len() {
			fill(value.Index(i), text)
		}
	case reflect.Struct:
		if value.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range value.NumField() {
			fill(value.Field(i), text)
		}
	}
}

var (
	tag = regexp.MustCompile(`<[!/]?[a-zA-Z-]+`)
	// value is the value of an attribute other than a link.
	value   = regexp.MustCompile(`(title|class|id|content|datetime|aria-label)="[^"]*"`)
	harmful = regexp.MustCompile(`(?i)<(script|img|iframe|object|svg|link|base|form)|<[^>]* on[a-z]+=|(src|href)="[^#"]`)
)

// Whatever the texts are, the HTML has the same elements, and so no other ones.
func TestHTMLEscapes(t *testing.T) {
	t.Parallel()
	want := tag.FindAllString(string(render(t, "html", report.New(hostileInput("harmless")))), -1)
	for name, text := range hostile {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page := string(render(t, "html", report.New(hostileInput(text))))
			if got := tag.FindAllString(page, -1); strings.Join(got, "") != strings.Join(want, "") {
				t.Errorf("%d elements, want %d", len(got), len(want))
			}
			if found := harmful.FindString(value.ReplaceAllString(page, "")); found != "" {
				t.Errorf("the page has %q", found)
			}
			if !strings.Contains(page, "payload") {
				t.Error("the text is lost")
			}
		})
	}
}

// No format has characters that reorder or end the text around them.
func TestTextsArePrintable(t *testing.T) {
	t.Parallel()
	for name, text := range hostile {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := report.New(hostileInput(text))
			for format := range formats {
				for _, char := range string(render(t, format, r)) {
					if char != '\n' && (unicode.IsControl(char) || unicode.In(char, unicode.Cf, unicode.Zl, unicode.Zp)) {
						t.Errorf("%s has %U", format, char)
						break
					}
				}
			}
		})
	}
}

// A text adds no line, cell, link or element to the Markdown.
func TestMarkdownEscapes(t *testing.T) {
	t.Parallel()
	unescaped := regexp.MustCompile("(^|[^\\\\])[`*_\\[\\]~]|[<>@]|://|www\\.")
	harmless := string(render(t, "md", report.New(hostileInput("harmless"))))
	for name, text := range hostile {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			document := string(render(t, "md", report.New(hostileInput(text))))
			for _, structure := range []string{"\n", "|", "\n#"} {
				if got, want := strings.Count(document, structure), strings.Count(harmless, structure); got != want {
					t.Errorf("%d of %q, want %d", got, structure, want)
				}
			}
			if found := unescaped.FindString(strings.ReplaceAll(document, `\\`, "")); found != "" {
				t.Errorf("the document has %q", found)
			}
		})
	}
}

// No value of the CSV is a formula to a spreadsheet, and values are as they were otherwise.
func TestCSVHasNoFormulas(t *testing.T) {
	t.Parallel()
	for name, text := range hostile {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rows, err := csv.NewReader(strings.NewReader(string(render(t, "csv", report.New(hostileInput(text)))))).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range rows {
				for _, value := range row {
					if strings.ContainsAny(strings.TrimSpace(value)+" ", "=+-@＝") && strings.IndexAny(strings.TrimSpace(value), "=+-@＝") == 0 {
						t.Errorf("%q is a formula", value)
					}
				}
			}
			if !strings.Contains(rows[1][3], "payload") {
				t.Errorf("the subject is %q", rows[1][3])
			}
		})
	}
}
