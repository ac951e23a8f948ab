package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/survey"
	"trust-manager.io/test/framework/ca"
)

// L: standard error has no control characters but line breaks.
func TestErrorsArePrintable(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	printError(&out, errors.Join(errors.New("a\x1b[31m"), errors.New("b\u202e")), "; see help")
	warnf(&out, "%s: %d", "c\nd\x07", 1)
	if diff := cmp.Diff("kubectl trust: a [31m\nb; see help\nc d : 1\n", out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// L6: certificates outside of the default CA package come first, and a certificate that is twice in a
// bundle is in one bundle.
func TestExplanationOrder(t *testing.T) {
	t.Parallel()
	parsed, problem := certs.Parse(ca.Roots(1, 2), certs.Origin{})
	if problem != nil {
		t.Fatal(problem)
	}
	packaged, own := parsed.Certificates[0], parsed.Certificates[1]
	id := bundle.ID{Kind: bundle.APIBundle, Name: "a"}
	all := query{matches: func(*certs.Certificate) bool { return true }}
	result := all.explain([]survey.Appearance{
		{Certificate: packaged, Bundle: id, Standing: survey.Included},
		{Certificate: packaged, Standing: survey.Packaged},
		{Certificate: own, Bundle: id, Standing: survey.Included},
		{Certificate: own, Bundle: id, Standing: survey.Deployed},
		{Certificate: own, Bundle: bundle.ID{Kind: bundle.APIBundle, Name: "b"}, Standing: survey.LeftOut},
	})
	var order []string
	for i := range result.Certificates {
		order = append(order, result.Certificates[i].Subject)
	}
	if diff := cmp.Diff([]string{"CN=Root 2", "CN=Root 1"}, order); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	if got := result.Certificates[0].bundles(); got != 1 {
		t.Errorf("in %d bundles, want 1", got)
	}
}

// L3: the URIs of findings, and what identifies them.
func TestSARIF(t *testing.T) {
	t.Parallel()
	working, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"a b.pem":                               "a%20b.pem",
		"./x/../a.pem":                          "a.pem",
		"a:b.pem":                               "./a:b.pem",
		filepath.Join(working, "a#b.pem"):       "a%23b.pem",
		filepath.Join(working, "../above.pem"):  "file://" + filepath.ToSlash(filepath.Join(working, "../above.pem")),
		filepath.Join(working, "..double.pem"):  "..double.pem",
		filepath.Join(working, "deep/down.pem"): "deep/down.pem",
		"-":                                     "",
		"":                                      "configmap/cert-manager/a%20b",
	} {
		f := finding{Of: "ConfigMap cert-manager/a b", file: file}
		if got := f.uri(); got != want {
			t.Errorf("%q has the URI %q, want %q", file, got, want)
		}
	}
	moved := finding{Rule: "expired", Of: "a.pem", Where: "block 1", SHA256: "01", Detail: "old"}
	before := moved.fingerprint()
	moved.Where, moved.Detail = "block 2", "new"
	if moved.fingerprint() != before {
		t.Error("a certificate at another place is another finding")
	}
	moved.SHA256 = ""
	if moved.fingerprint() == before {
		t.Error("a finding without a certificate is the same")
	}
}
