package lint_test

import (
	"strings"
	"testing"
	"time"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/lint"
	"trust-manager.io/test/framework/ca"
)

// S6: a nonconforming certificate is a finding only if the Bundle rejects it, and does not
// hide the others.
func TestInputNonconforming(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	past := ca.ValidUntil(now.Add(-time.Hour))
	input := bundle.Input{Origin: certs.Origin{Field: "f"}, Texts: []bundle.Text{{PEM: ca.NegativeSerial(past, ca.Named("Odd")) + ca.Fixed(1, ca.NotCA).Certificate}}}
	for name, tc := range map[string]struct {
		filter bundle.Filter
		finds  bool
	}{
		"unset":                     {bundle.Filter{}, true},
		"Reject":                    {bundle.Filter{Nonconforming: bundle.Reject, NonCA: bundle.Reject}, true},
		"Keep":                      {bundle.Filter{Nonconforming: bundle.Keep}, false},
		"Drop":                      {bundle.Filter{Nonconforming: bundle.Drop}, false},
		"dropped by another filter": {bundle.Filter{Expired: bundle.Drop}, false},
		"excluded":                  {bundle.Filter{Exclude: []bundle.Exclusion{{Subject: "CN=Odd"}}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var text []string
			for _, finding := range lint.Input(bundle.Spec{Filter: tc.filter}, input, now) {
				text = append(text, finding.Detail)
			}
			all := strings.Join(text, "\n")
			if got := strings.Contains(all, "does not conform"); got != tc.finds {
				t.Errorf("found: %t, want %t, of\n%s", got, tc.finds, all)
			}
			if !strings.Contains(all, "not a CA certificate") || !strings.Contains(all, "expired") {
				t.Errorf("other findings are hidden:\n%s", all)
			}
		})
	}
}
