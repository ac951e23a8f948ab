package bundle_test

import (
	"testing"

	"trust-manager.io/internal/bundle"
)

// E4: what a Bundle may do beside a ClusterBundle of its name.
func TestStandingBeside(t *testing.T) {
	t.Parallel()
	for title, tc := range map[string]struct {
		rival *bundle.Rival
		want  bundle.Standing
	}{
		"there is no ClusterBundle": {nil, bundle.Active},
		"it has no target":          {&bundle.Rival{IsBuilt: true, IsTried: true}, bundle.Active},
		"it has not been tried":     {&bundle.Rival{HasTarget: true}, bundle.Waiting},
		"it cannot be built":        {&bundle.Rival{HasTarget: true, IsTried: true}, bundle.Active},
		"it is built":               {&bundle.Rival{HasTarget: true, IsTried: true, IsBuilt: true}, bundle.Superseded},
		"it was built before this process, and not yet now": {&bundle.Rival{HasTarget: true, IsBuilt: true}, bundle.Superseded},
		"it was built, and is being deleted":                {&bundle.Rival{HasTarget: true, IsBuilt: true, IsDeleted: true}, bundle.Superseded},
		"it was never built, and is being deleted":          {&bundle.Rival{HasTarget: true, IsDeleted: true}, bundle.Active},
	} {
		if got := bundle.StandingBeside(tc.rival); got != tc.want {
			t.Errorf("%s: %d, want %d", title, got, tc.want)
		}
	}
}

// E2: the keys that a pattern matches.
func TestKeyPattern(t *testing.T) {
	t.Parallel()
	for pattern, tc := range map[string]struct{ yes, no []string }{
		"*":       {[]string{"a", "ca.crt", "*"}, nil},
		"*.crt":   {[]string{"ca.crt", ".crt", "a.crt.crt"}, []string{"ca.crt2", "crt", "ca-crt"}},
		"ca-*":    {[]string{"ca-", "ca-1"}, []string{"ca", "xca-"}},
		"ca*crt":  {[]string{"cacrt", "ca.crt"}, []string{"cacr", "ca.crt."}},
		"a*a":     {[]string{"aa", "aba"}, []string{"a"}},
		"*a*b*":   {[]string{"ab", "xaxbx"}, []string{"ba", "a", "b"}},
		"a*b*c":   {[]string{"abc", "a-b-b-c"}, []string{"acb", "ac", "abcd"}},
		"**":      {[]string{"a"}, nil},
		"a*ab*b":  {[]string{"aabb", "axabxb"}, []string{"aab", "abb"}},
		"ca.crt":  {[]string{"ca.crt"}, []string{"ca_crt", "ca.crt2"}},
		"*.*.pem": {[]string{"a.b.pem", "..pem"}, []string{"a.pem"}},
	} {
		for _, key := range tc.yes {
			if !bundle.KeyPattern(pattern).Matches(key) {
				t.Errorf("%s does not match %s", pattern, key)
			}
		}
		for _, key := range tc.no {
			if bundle.KeyPattern(pattern).Matches(key) {
				t.Errorf("%s matches %s", pattern, key)
			}
		}
	}
}
