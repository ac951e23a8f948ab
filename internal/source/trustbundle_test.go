package source_test

import (
	"testing"

	"trust-manager.io/internal/source"
)

// F5: the values of the flag, and what they allow.
func TestAllowTrustBundles(t *testing.T) {
	t.Parallel()
	allowed, err := source.AllowTrustBundles([]string{"plain", "a.example:named:one", "b.example/signer", "c.example/*"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, signer string
		want         bool
	}{
		{"plain", "", true},
		{"other", "", false},
		{"a.example:named:one", "a.example/named", true},
		{"a.example:named:two", "a.example/named", false},
		{"b.example:signer:any", "b.example/signer", true},
		{"b.example:signer2:any", "b.example/signer2", false},
		{"c.example:any:any", "c.example/any", true},
		{"d.c.example:any:any", "d.c.example/any", false},
		{"", "b.example/signer", true},
		{"", "", false},
	} {
		if got := allowed.Allows(tc.name, tc.signer); got != tc.want {
			t.Errorf("%q of %q: %t", tc.name, tc.signer, got)
		}
	}
	if none, err := source.AllowTrustBundles(nil); err != nil || none.Any() || !allowed.Any() {
		t.Errorf("nothing: %t, %v", none.Any(), err)
	}
	for _, value := range []string{"", "Upper", "no dot/x", "nodot/x", "a.b/", "a.b/c/d", "a.b/**", "*", "a.b:", ":x", "a_b"} {
		if _, err := source.AllowTrustBundles([]string{value}); err == nil {
			t.Errorf("%q is accepted", value)
		}
	}
}
