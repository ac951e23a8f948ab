package certs_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trust-manager.io/internal/certs"
	"trust-manager.io/test/framework/ca"
)

var origin = certs.Origin{
	Field:  "spec.sources[2].configMap",
	Object: "ConfigMap cert-manager/roots",
	Key:    "ca.crt",
}

// S5: which texts are valid. S1: certificates keep the order of the text.
func TestParseAccepts(t *testing.T) {
	t.Parallel()
	first, second := ca.Fixed(1).DER(), ca.Fixed(2).DER()
	one, two := ca.PEM(first), ca.PEM(second)
	body := strings.Split(one, "\n")
	both := [][]byte{first, second}
	cases := map[string]struct {
		text string
		want [][]byte
	}{
		"LF":                                {one + two, both},
		"the order of the text":             {two + one, [][]byte{second, first}},
		"CRLF":                              {strings.ReplaceAll(one+two, "\n", "\r\n"), both},
		"LF and CRLF mixed":                 {one + strings.ReplaceAll(two, "\n", "\r\n"), both},
		"no newline at the end":             {strings.TrimSuffix(one+two, "\n"), both},
		"no newline, CR at the end":         {strings.TrimSuffix(one, "\n") + "\r", both[:1]},
		"indented by spaces":                {"  " + strings.ReplaceAll(one+two, "\n", "\n  "), both},
		"indented by tabs":                  {"\t" + strings.ReplaceAll(one+two, "\n", "\n\t"), both},
		"only BEGIN indented":               {one + "   " + two, both},
		"only END indented":                 {strings.ReplaceAll(one+two, "-----END", " \t-----END"), both},
		"blanks at the ends of lines":       {strings.ReplaceAll(one+two, "\n", " \t\n"), both},
		"a UTF-8 byte order mark":           {"\ufeff" + one + two, both},
		"a byte order mark and a comment":   {"\ufeff# roots\n" + one + two, both},
		"a byte order mark before BEGIN":    {one + "# second file\n\ufeff" + two, both},
		"characters without width":          {"\u200b" + one + " \u2060\ufeff" + two, both},
		"no width after END":                {strings.TrimSuffix(one, "\n") + "\u200b\ufeff\n" + two, both},
		"END and BEGIN joined":              {strings.TrimSuffix(one, "\n") + two, both},
		"END, a blank and BEGIN":            {strings.TrimSuffix(one, "\n") + " \ufeff" + two, both},
		"NUL and 0x1A at the end":           {one + two + "\x1a\x00\x00", both},
		"NUL before the last line end":      {one + two + "\x00\r\n", both},
		"the older label":                   {strings.ReplaceAll(one, " CERTIFICATE", " X509 CERTIFICATE") + two, both},
		"blank lines around":                {"\n\r\n" + one + "\n \n\t\n" + two + "\n\n", both},
		"blank lines inside":                {strings.ReplaceAll(one+two, "\n", "\n\n"), both},
		"comments around":                   {"roots of 2026\n" + one + "# next: " + "\n" + two + "the end", both},
		"comments with dashes":              {"----- roots -----\n" + one + "--- END ---\n---- BEGIN ----\n" + two, both},
		"comments that name a block":        {"BEGIN CERTIFICATE\n" + one + "END CERTIFICATE\n" + two, both},
		"comments of openssl x509 -text":    {"Certificate:\n    Data:\n        Version: 3 (0x2)\n" + one + two, both},
		"a block commented out":             {one + comment(two), both[:1]},
		"a block commented out, indented":   {strings.ReplaceAll(comment(two), "# ", "  #") + one, both[:1]},
		"a damaged block commented out":     {one + "#" + "-----BEGIN CERTIFICATE--\n" + two, both},
		"a private key commented out":       {one + comment("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n") + two, both},
		"the body on one line":              {body[0] + "\n" + strings.Join(body[1:len(body)-2], "") + "\n" + body[len(body)-2], both[:1]},
		"blanks and tabs inside the body":   {one[:60] + " " + one[60:70] + "\t " + one[70:], both[:1]},
		"the same certificate twice":        {one + two + one, [][]byte{first, second, first}},
		"an empty text":                     {"", nil},
		"only a byte order mark":            {"\ufeff", nil},
		"only comments and blank lines":     {"# none yet\n\n \r\nnone", nil},
		"only blocks that are switched off": {comment(one + two), nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, problem := certs.Parse(tc.text, origin)
			if problem != nil {
				t.Fatalf("refused: %v", problem)
			}
			if diff := cmp.Diff(certs.Result{Certificates: numbered(t, origin, tc.want...)}, got); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
			if got.Empty() != (tc.want == nil) {
				t.Errorf("Empty() = %t with %d certificates", got.Empty(), len(tc.want))
			}
		})
	}
}

// S6: the EC-ACC root is skipped with a note, and counts as a block.
func TestParseSkipsECACC(t *testing.T) {
	t.Parallel()
	first, second := ca.Fixed(1).DER(), ca.Fixed(2).DER()
	got, problem := certs.Parse(ca.PEM(first)+ecACC(t)+ca.PEM(second), origin)
	if problem != nil {
		t.Fatalf("refused: %v", problem)
	}
	want := numbered(t, origin, first, nil, second)
	if diff := cmp.Diff([]certs.Certificate{want[0], want[2]}, got.Certificates); diff != "" {
		t.Errorf("certificates (-want +got):\n%s", diff)
	}
	if len(got.Skipped) != 1 {
		t.Fatalf("%d notes, want 1: %v", len(got.Skipped), got.Skipped)
	}
	note := got.Skipped[0]
	if note.Origin != want[1].Origin || !strings.Contains(note.Detail, "EC-ACC") {
		t.Errorf("note %v, want one of EC-ACC at %v", note, want[1].Origin)
	}
}

// S8 has to distinguish a text with nothing but EC-ACC from an empty one.
func TestOnlyECACCIsNotEmpty(t *testing.T) {
	t.Parallel()
	got, problem := certs.Parse(ecACC(t), origin)
	if problem != nil {
		t.Fatalf("refused: %v", problem)
	}
	if got.Empty() || len(got.Certificates) != 0 {
		t.Errorf("Empty() = %t with %d certificates, want false and 0", got.Empty(), len(got.Certificates))
	}
}

// comment comments out every line of a text.
func comment(text string) string {
	return "# " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n# ") + "\n"
}
