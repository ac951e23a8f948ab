package bundle_test

import (
	"testing"

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
		"excluded": {bundle.Filter{Expired: bundle.Drop, Exclude: []bundle.Exclusion{{Field: "a", Subject: "CN=X"}, {Field: "b", Subject: "CN=Root 2"}}}, past.Certificate, bundle.Omission{"b", "it is excluded", true}},
		"dropped":  {bundle.Filter{Expired: bundle.Drop, NonCA: bundle.Reject}, past.Certificate, bundle.Omission{"spec.filters.expired", "it has expired, and the filter is Drop", false}},
		"rejected": {bundle.Filter{NonCA: bundle.Reject}, past.Certificate, bundle.Omission{"spec.filters.notCA", "it is not a CA, and the filter is Reject", false}},
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
