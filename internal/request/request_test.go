package request

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// T8: a cause is one line, and the same for the same cause.
func TestExplain(t *testing.T) {
	t.Parallel()
	const slow = "no answer within 10s; look for a slow admission webhook"
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"one line":              {errors.New("denied"), "denied"},
		"several lines":         {errors.New("denied\nby somebody"), "denied"},
		"deadline":              {context.DeadlineExceeded, slow},
		"deadline, wrapped":     {fmt.Errorf("writing: %w", context.DeadlineExceeded), slow},
		"deadline of a request": {&url.Error{Op: "Put", URL: "https://10.0.0.1/api", Err: context.DeadlineExceeded}, slow},
		"no connection":         {&url.Error{Op: "Put", URL: "https://10.0.0.1/api", Err: errors.New("dial tcp 10.0.0.1:443: connection refused")}, "the API server cannot be reached"},
		"a long one":            {errors.New(strings.Repeat("x", 1<<20)), strings.Repeat("x", maxExplanation) + "…"},
		"cancelled":             {context.Canceled, "context canceled"},
		"a webhook that hangs up": {
			errors.New(`failed to call webhook: Post "https://policy.a.svc:443/?timeout=10s": read tcp 10.0.0.1:51234->10.96.0.9:443: read: connection reset by peer`),
			`failed to call webhook: Post "https://policy.a.svc:443/?timeout=10s": read tcp 10.96.0.9:443: read: connection reset by peer`,
		},
		"a webhook that hangs up, IPv6": {errors.New("read udp [fd00::1]:51234->[fd00::a]:53: i/o timeout"), "read udp [fd00::a]:53: i/o timeout"},
		"a webhook whose certificate has expired": {
			errors.New("x509: certificate has expired or is not yet valid: current time 2026-11-24T19:52:50Z is after 2026-11-24T18:52:47Z"),
			"x509: certificate has expired or is not yet valid: it is after 2026-11-24T18:52:47Z",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Explain(tc.err); got != tc.want {
				t.Errorf("Explain() = %q, want %q", got, tc.want)
			}
		})
	}
}
