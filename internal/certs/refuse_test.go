package certs_test

import (
	"bytes"
	"encoding/pem"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trust-manager.io/internal/certs"
	"trust-manager.io/test/framework/ca"
)

// S5: what makes a text invalid. Each text is parsed alone, after a valid block and
// before one: no certificate may be returned, and the block number must be correct.
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	good := ca.Fixed(1).Certificate
	for name, tc := range refusals(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			number := max(tc.block, 1)
			refuse(t, tc.text, number, tc.detail)
			refuse(t, good+tc.text, number+1, tc.detail)
			refuse(t, tc.text+"\n"+good, number, tc.detail)
		})
	}
}

// refuse expects a problem in the block of that number, and no certificates.
func refuse(t *testing.T, text string, number int, detail string) {
	t.Helper()
	got, problem := certs.Parse(text, origin)
	if problem == nil {
		t.Fatalf("accepted, with %d certificates", len(got.Certificates))
	}
	if diff := cmp.Diff(certs.Result{}, got); diff != "" {
		t.Errorf("a result beside the problem (-want +got):\n%s", diff)
	}
	want := origin
	want.Block = number
	if diff := cmp.Diff(want, problem.Origin); diff != "" {
		t.Errorf("origin (-want +got):\n%s", diff)
	}
	if problem.Reason != certs.SourceBuildError {
		t.Errorf("reason %q, want SourceBuildError", problem.Reason)
	}
	if !strings.Contains(problem.Detail, detail) {
		t.Errorf("detail %q, want it to contain %q", problem.Detail, detail)
	}
}

type refusal struct {
	text   string
	block  int // the invalid block, if it is not the first
	detail string
}

// refusals returns all texts that Parse rejects because of their content.
func refusals(tb testing.TB) map[string]refusal {
	tb.Helper()
	all := map[string]refusal{}
	maps.Copy(all, damagedBodies(tb))
	maps.Copy(all, damagedEnds(tb))
	maps.Copy(all, damagedBegins(tb))
	maps.Copy(all, otherTypes(tb))
	return all
}

func damagedBodies(tb testing.TB) map[string]refusal {
	tb.Helper()
	der := ca.Fixed(1).DER()
	one := ca.PEM(der)
	return map[string]refusal{
		"a PKCS #7 file":                 {ca.PEM([]byte("0\x0b\x06\x09*\x86H\x86\xf7\r\x01\x07\x02")), 0, "not hold a certificate, but PKCS #7 in DER"},
		"PEM headers":                    {text: strings.Replace(one, "\n", "\nProc-Type: 4,ENCRYPTED\n\n", 1), detail: "PEM headers"},
		"a character that is not base64": {text: one[:100] + "!" + one[101:], detail: "base64"},
		"a character lost":               {text: one[:100] + one[101:], detail: "base64"},
		"padding in the middle":          {text: one[:100] + "==" + one[102:], detail: "base64"},
		"a comment inside":               {text: one[:93] + "# half\n" + one[93:], detail: "base64"},
		"a line lost":                    {text: one[:93] + one[158:], detail: "X.509"},
		"nothing between BEGIN and END":  {text: ca.PEM(nil), detail: "X.509"},
		"DER that is not a certificate":  {text: ca.PEM([]byte{0x30, 0x03, 0x02, 0x01, 0x01}), detail: "X.509"},
		"no DER":                         {text: ca.PEM([]byte("not ASN.1 at all")), detail: "X.509"},
		"DER with a byte after it":       {text: ca.PEM(append(bytes.Clone(der), 0)), detail: "X.509"},
		"two certificates in one block":  {text: ca.PEM(append(bytes.Clone(der), der...)), detail: "X.509"},
		"DER cut short":                  {text: ca.PEM(der[:len(der)-1]), detail: "X.509"},
	}
}

func damagedEnds(tb testing.TB) map[string]refusal {
	tb.Helper()
	one := ca.Fixed(1).Certificate
	return map[string]refusal{
		"END missing":                              {text: strings.Replace(one, "-----END CERTIFICATE-----\n", "", 1), detail: "cut off"},
		"END of another type":                      {text: strings.Replace(one, "END CERTIFICATE", "END X509 CRL", 1), detail: "cut off"},
		"END in lower case":                        {text: strings.Replace(one, "END CERT", "end CERT", 1), detail: "cut off"},
		"END with a dash too few":                  {text: strings.TrimSuffix(one, "-\n") + "\n", detail: "cut off"},
		"END before text":                          {text: strings.TrimSuffix(one, "\n") + " end", detail: "cut off"},
		"END after text":                           {text: strings.Replace(one, "\n-----END", "-----END", 1), detail: "END line"},
		"END commented out":                        {text: strings.Replace(one, "-----END", "# -----END", 1), detail: "END line"},
		"END and text before BEGIN on one line":    {text: strings.TrimSuffix(one, "\n") + "x" + one, detail: "cut off"},
		"END of another label":                     {text: strings.Replace(one, "END CERTIFICATE", "END X509 CERTIFICATE", 1), detail: "cut off"},
		"only BEGIN":                               {text: "-----BEGIN CERTIFICATE-----", detail: "cut off"},
		"a line of dashes inside":                  {text: one[:93] + "-----\n" + one[93:], detail: "cut off"},
		"all dashes made long by a word processor": {text: strings.ReplaceAll(one, "-----", "—"), detail: "a line of its own"},
		"four dashes everywhere":                   {text: strings.ReplaceAll(one, "-----", "----"), detail: "a line of its own"},
		"END without BEGIN":                        {text: "-----END CERTIFICATE-----\n", detail: "no counterpart"},
		"a second END":                             {text: one + "-----END CERTIFICATE-----\n", block: 2, detail: "no counterpart"},
	}
}

func damagedBegins(tb testing.TB) map[string]refusal {
	tb.Helper()
	one := ca.Fixed(1).Certificate
	lowerBoth := strings.NewReplacer("BEGIN", "begin", "END", "end", "CERTIFICATE", "certificate")
	return map[string]refusal{
		"only BEGIN commented out":        {text: "#" + one, detail: "no counterpart"},
		"BEGIN after text":                {text: "root: " + one, detail: "a line of its own"},
		"BEGIN before text":               {text: strings.Replace(one, "CERTIFICATE-----\n", "CERTIFICATE-----", 1), detail: "a line of its own"},
		"BEGIN before a blank and text":   {text: strings.Replace(one, "CERTIFICATE-----\n", "CERTIFICATE----- x\n", 1), detail: "a line of its own"},
		"BEGIN in lower case":             {text: strings.Replace(one, "BEGIN", "begin", 1), detail: "a line of its own"},
		"BEGIN and END in lower case":     {text: lowerBoth.Replace(one), detail: "a line of its own"},
		"BEGIN damaged and END missing":   {text: "-----BEGIN CERTIFICATE----\nAAAA\n", detail: "a line of its own"},
		"BEGIN with a dash too few":       {text: strings.Replace(one, "E-----\n", "E----\n", 1), detail: "a line of its own"},
		"BEGIN with a dash too many":      {text: "-" + one, detail: "a line of its own"},
		"BEGIN without a space":           {text: strings.Replace(one, "BEGIN ", "BEGIN", 1), detail: "a line of its own"},
		"a zero-width space in BEGIN":     {text: strings.Replace(one, "BEGIN ", "BEGIN\u200b ", 1), detail: "a line of its own"},
		"the older label, four dashes":    {text: strings.NewReplacer("-----", "----", " CERT", " X509 CERT").Replace(one), detail: "a line of its own"},
		"a comment, then escaped ends":    {text: "# root\\n" + strings.ReplaceAll(one, "\n", "\\n"), detail: "a line of its own"},
		"a comment, then LINE SEPARATORs": {text: "# root\u2028" + strings.ReplaceAll(one, "\n", "\u2028"), detail: "a line of its own"},
		"line ends of a lone CR":          {text: strings.ReplaceAll(one, "\n", "\r"), detail: "a line of its own"},
		"a comment, then lone CRs":        {text: "# root\r" + strings.ReplaceAll(one, "\n", "\r"), detail: "a line of its own"},
	}
}

func otherTypes(tb testing.TB) map[string]refusal {
	tb.Helper()
	one := ca.Fixed(1).Certificate
	cases := map[string]refusal{}
	for label, detail := range map[string]string{
		"PRIVATE KEY":             "a private key",
		"RSA PRIVATE KEY":         "a private key",
		"EC PRIVATE KEY":          "a private key",
		"ENCRYPTED PRIVATE KEY":   "a private key",
		"OPENSSH PRIVATE KEY":     "a private key",
		"PKCS #7 SIGNED DATA":     "a PKCS #7 file",
		"TRUSTED CERTIFICATE":     "OpenSSL's own TRUSTED CERTIFICATE",
		"CERTIFICATE REQUEST":     "a certificate request",
		"NEW CERTIFICATE REQUEST": "a certificate request",
		"X509 CRL":                "a certificate revocation list",
		"PUBLIC KEY":              "a public key",
		"PKCS7":                   "a PKCS #7 file",
		"certificate":             "of another type",
		" CERTIFICATE":            "of another type",
		"CERTIFICATE ":            "of another type",
		"UNHEARD OF":              "of another type",
		"":                        "of another type",
	} {
		cases["type "+label] = refusal{
			text:   strings.ReplaceAll(one, " CERTIFICATE-", " "+label+"-"),
			detail: "only CERTIFICATE blocks are accepted, and this block is " + detail,
		}
	}
	return cases
}

// changedECACC returns the EC-ACC root with one bit of its signature changed.
func changedECACC(tb testing.TB) []byte {
	tb.Helper()
	decoded, _ := pem.Decode([]byte(ecACC(tb)))
	decoded.Bytes[len(decoded.Bytes)-1] ^= 1
	return decoded.Bytes
}
