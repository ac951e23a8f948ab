package bundle_test

import (
	"strings"
	"testing"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/test/framework/ca"
)

// L6: why a certificate is not in a bundle. An exclusion comes first, and a filter that drops comes
// before one that rejects.
func TestOmission(t *testing.T) {
	t.Parallel()
	root, past := ca.Fixed(1), ca.Fixed(2, ca.NotCA, ca.ValidUntil(now.AddDate(0, 0, -1)))
	for name, tc := range map[string]struct {
		filter bundle.Filter
		text   string
		want   bundle.Omission
	}{
		"kept":     {bundle.Filter{Expired: bundle.Drop, NonCA: bundle.Reject}, root.Certificate, bundle.Omission{}},
		"excluded": {bundle.Filter{Expired: bundle.Drop, Exclude: []bundle.Exclusion{{Field: "a", Subject: "CN=X"}, {Field: "b", Subject: "CN=Root 2", Comment: "incident 17"}}}, past.Certificate, bundle.Omission{"b", `excluded by b, subject "CN=Root 2": incident 17`, true}},
		"by key": {
			bundle.Filter{Exclude: excluding(t, v1alpha1.Exclusion{SHA256: strings.Repeat("01", 32), PublicKeySHA256: keyOf(t, root.Certificate)})}, root.Certificate,
			bundle.Omission{"spec.exclude[0]", "excluded by spec.exclude[0], SHA-256 " + strings.Repeat("01", 32) + ", public key SHA-256 " + keyOf(t, root.Certificate), true},
		},
		"dropped":  {bundle.Filter{Expired: bundle.Drop, NonCA: bundle.Reject}, past.Certificate, bundle.Omission{"spec.filters.expired", "it has expired, and spec.filters.expired is Drop", false}},
		"rejected": {bundle.Filter{NonCA: bundle.Reject}, past.Certificate, bundle.Omission{"spec.filters.notCA", "it is not a CA, and spec.filters.notCA is Reject", false}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parsed, problem := certs.Parse(tc.text, certs.Origin{})
			if problem != nil {
				t.Fatal(problem)
			}
			got, ok := tc.filter.Omission(&parsed.Certificates[0], now)
			if got != tc.want || ok != (tc.want != bundle.Omission{}) {
				t.Errorf("%+v, %t, want %+v", got, ok, tc.want)
			}
		})
	}
}
