package bundle_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/test/framework/ca"
)

// K2: the policy of a Bundle takes precedence over the flags.
func TestFilterOr(t *testing.T) {
	t.Parallel()
	flags := bundle.Filter{Expired: bundle.Drop, NonCA: bundle.Keep}
	own := bundle.Filter{Expired: bundle.Keep, NotSelfSigned: bundle.Reject}
	if diff := cmp.Diff(bundle.Filter{Expired: bundle.Keep, NonCA: bundle.Keep, NotSelfSigned: bundle.Reject}, own.Or(flags)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(flags, bundle.Filter{}.Or(flags)); diff != "" {
		t.Errorf("nothing of its own (-want +got):\n%s", diff)
	}
}

// K2: a rejected certificate fails its source, with object, key and block; one that
// another filter drops is not rejected, whatever the order of the filters.
func TestFilterRejects(t *testing.T) {
	t.Parallel()
	later, past := now.Add(time.Hour), now.Add(-time.Hour)
	inputs := []bundle.Input{given(dated(1, later, true), dated(2, past, true), dated(3, later, false), dated(4, past, false))}
	advice := func(field string) string {
		return ", and spec.filters." + field + " is Reject; remove it from the source, or set the filter to Drop or Keep"
	}
	cases := map[string]struct {
		filter bundle.Filter
		text   string // of the error
		blocks []int  // unless an error is expected
	}{
		"expired": {
			filter: bundle.Filter{Expired: bundle.Reject},
			text: "f: block 2: the certificate has expired" + advice("expired") + "; " +
				"f: block 4: the certificate has expired" + advice("expired"),
		},
		"not a CA": {
			filter: bundle.Filter{NonCA: bundle.Reject, Expired: bundle.Drop},
			text:   "f: block 3: the certificate is not a CA" + advice("notCA"),
		},
		"dropped before it is rejected": {
			filter: bundle.Filter{Expired: bundle.Reject, NonCA: bundle.Drop},
			text:   "f: block 2: the certificate has expired" + advice("expired"),
		},
		"kept": {filter: bundle.Filter{Expired: bundle.Keep, NonCA: bundle.Keep, NotSelfSigned: bundle.Keep}, blocks: []int{1, 2, 3, 4}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := new(bundle.Builder).Build(inputs, tc.filter, now)
			if tc.text != "" {
				checkProblems(t, got, err, "SourceBuildError", tc.text)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.blocks, blocks(got)); diff != "" {
				t.Errorf("certificates (-want +got):\n%s", diff)
			}
		})
	}
}

// blocks returns the block numbers of the certificates.
func blocks(b bundle.Bundle) []int {
	var list []int
	for _, certificate := range b.Certificates {
		list = append(list, certificate.Origin.Block)
	}
	return list
}

// S12, K2: how long a bundle remains valid as time passes.
func TestChanges(t *testing.T) {
	t.Parallel()
	end := now.Add(time.Hour)
	inputs := []bundle.Input{given(dated(1, end.Add(1), true), dated(2, end, true), dated(3, now.Add(-1), true))}
	for policy, want := range map[bundle.Policy]time.Time{"": {}, bundle.Keep: {}, bundle.Drop: end} {
		got, err := new(bundle.Builder).Build(inputs, bundle.Filter{Expired: policy}, now)
		if err != nil || !got.ValidUntil.Equal(want) {
			t.Errorf("%q: until %s, want %s; error %v", policy, got.ValidUntil, want, err)
		}
	}
	got, err := new(bundle.Builder).Build(inputs[:1], bundle.Filter{Expired: bundle.Reject}, now.Add(-2))
	if err != nil || !got.ValidUntil.Equal(now.Add(-1)) {
		t.Errorf("Reject: until %s, error %v", got.ValidUntil, err)
	}
}

// K2: an intermediate is not self-signed, and neither is a certificate with a root's name
// but without its key. A Builder verifies each signature once.
func TestFilterNotSelfSigned(t *testing.T) {
	t.Parallel()
	root := ca.Fixed(1, ca.Named("Root"))
	text := root.Certificate + root.Issue(ca.Named("Intermediate"), ca.Intermediate).Certificate + root.Issue(ca.Named("Root"), ca.Intermediate).Certificate
	var builder bundle.Builder
	for range 2 {
		got, err := builder.Build([]bundle.Input{source("x", root.Certificate+text)}, bundle.Filter{NotSelfSigned: bundle.Drop}, now)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"x/a/1"}, places(t, got)); diff != "" {
			t.Errorf("certificates (-want +got):\n%s", diff)
		}
		want := []string{"2 certificates that are not self-signed are left out " +
			`(spec.sources.x: ConfigMap cert-manager/x, key "a", block 3; spec.sources.x: ConfigMap cert-manager/x, key "a", block 4)`}
		if diff := cmp.Diff(want, got.Notes); diff != "" {
			t.Errorf("notes (-want +got):\n%s", diff)
		}
	}
	got, err := builder.Build([]bundle.Input{source("y", root.Certificate)}, bundle.Filter{NotSelfSigned: bundle.Reject}, now)
	if err != nil || len(got.Certificates) != 1 {
		t.Errorf("a root alone: %d certificates, error %v", len(got.Certificates), err)
	}
	got, err = builder.Build([]bundle.Input{source("y", text)}, bundle.Filter{NotSelfSigned: bundle.Reject}, now)
	checkProblems(t, got, err, "SourceBuildError",
		`spec.sources.y: ConfigMap cert-manager/y, key "a", block 2: the certificate is not self-signed, and spec.filters.notSelfSigned is Reject; remove it from the source, or set the filter to Drop or Keep; `+
			`spec.sources.y: ConfigMap cert-manager/y, key "a", block 3: the certificate is not self-signed, and spec.filters.notSelfSigned is Reject; remove it from the source, or set the filter to Drop or Keep`)
}

// S6: a nonconforming certificate is rejected unless the Bundle says otherwise.
func TestFilterNonconforming(t *testing.T) {
	t.Parallel()
	root, odd := ca.Fixed(1).Certificate, ca.NegativeSerial(ca.ValidUntil(now.Add(-time.Hour)))
	inputs := []bundle.Input{source("x", root+odd)}
	const rejected = `spec.sources.x: ConfigMap cert-manager/x, key "a", block 2: the certificate does not conform to RFC 5280 or is not supported: ` +
		"its serial number is negative, and spec.filters.nonconforming is Reject; remove it from the source, or set the filter to Drop or Keep"
	for name, tc := range map[string]struct {
		filter  bundle.Filter
		problem string
		want    bundle.Omitted
		count   int
	}{
		"unset":                     {bundle.Filter{}, rejected, bundle.Omitted{}, 0},
		"Reject":                    {bundle.Filter{Nonconforming: bundle.Reject}, rejected, bundle.Omitted{}, 0},
		"Drop":                      {bundle.Filter{Nonconforming: bundle.Drop}, "", bundle.Omitted{Nonconforming: 1}, 1},
		"Keep":                      {bundle.Filter{Nonconforming: bundle.Keep}, "", bundle.Omitted{}, 2},
		"dropped by another filter": {bundle.Filter{Expired: bundle.Drop}, "", bundle.Omitted{Expired: 1}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := new(bundle.Builder).Build(inputs, tc.filter, now)
			if tc.problem != "" {
				checkProblems(t, got, err, "SourceBuildError", tc.problem)
				return
			}
			if err != nil || got.Omitted != tc.want || len(got.Certificates) != tc.count {
				t.Errorf("%d certificates, omitted %+v, error %v", len(got.Certificates), got.Omitted, err)
			}
		})
	}
}
