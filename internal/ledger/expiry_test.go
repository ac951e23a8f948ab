package ledger_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/ledger"
)

// expiring returns the summary of a bundle whose certificates expire at times from start.
func expiring(tb testing.TB, times ...time.Duration) ledger.Summary {
	tb.Helper()
	var list []certs.Certificate
	for i, one := range times {
		list = append(list, made(tb, i, fmt.Sprintf("CA %d", i), start.Add(one)))
	}
	return ledger.Summary{Attempt: ledger.Attempt{Generation: 7}, Content: contentOf(tb, bundle.Filter{}, list), Built: true}
}

const day = 24 * time.Hour

// K6: how many certificates expire within a duration, and when one more will.
func TestExpiry(t *testing.T) {
	t.Parallel()
	s := expiring(t, 40*day, -day, 30*day, 30*day+time.Nanosecond, 7*day)
	for long, want := range map[time.Duration]int{-2 * day: 0, -day: 1, 7*day - 1: 1, 7 * day: 2, 30 * day: 3, 90 * day: 5} {
		if got := s.Expiry.Within(long, start); got != want {
			t.Errorf("%d expire within %s, want %d", got, long, want)
		}
	}
	if got := s.Expiry.Next(start); got != time.Nanosecond+time.Millisecond {
		t.Errorf("the next in %s", got)
	}
	if got := s.Expiry.Next(start.Add(11 * day)); got != 0 {
		t.Errorf("when all expire soon, the next in %s", got)
	}
	never := expiring(t, 40*day)
	never.Expiry.Ends[0] = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	if got := never.Expiry.Next(start); got <= 0 || got > 366*day {
		t.Errorf("if that is in the year 9999, the next in %s", got)
	}
	if got := (ledger.Expiry{}).Next(start); got != 0 {
		t.Errorf("of nothing, the next in %s", got)
	}
}

// K6: retained certificates do not count.
func TestExpiryWithoutWhatIsRetained(t *testing.T) {
	t.Parallel()
	content := bundle.Bundle{Certificates: []certs.Certificate{made(t, 0, "stays", start.Add(40*day)), made(t, 1, "goes", start.Add(day))}}
	content.Retained = []bundle.Retained{{Certificate: content.Certificates[1], Left: start}}
	if got := ledger.NewContent(bundle.Spec{}, content, "").Expiry.Within(30*day, start); got != 0 {
		t.Errorf("%d expire soon", got)
	}
}

// K6: the condition ExpiringSoon.
func TestExpiringSoon(t *testing.T) {
	t.Parallel()
	was := &metav1.Condition{Type: "ExpiringSoon", Status: metav1.ConditionTrue, Message: "before"}
	notBuilt := expiring(t, day)
	notBuilt.Built = false
	for name, tc := range map[string]struct {
		summary ledger.Summary
		before  *metav1.Condition
		want    string
	}{
		"nothing soon":              {expiring(t, 31*day), nil, ""},
		"nothing soon any more":     {expiring(t, 31*day), was, "False NotExpiringSoon No certificate of the bundle expires within 30 days"},
		"no bundle in this process": {notBuilt, nil, ""},
		"and one before":            {notBuilt, was, "True  before"},
		"one": {expiring(t, 31*day, 2*day), nil,
			`True ExpiringSoon 1 certificate of the bundle has expired or expires within 30 days: "CN=CA 1" on 2026-11-25T12:00:00Z; add the successors`},
		"many": {expiring(t, 3*day, 2*day, -day, day, 4*day), was,
			`True ExpiringSoon 5 certificates of the bundle have expired or expire within 30 days: "CN=CA 2" on 2026-11-22T12:00:00Z; ` +
				`"CN=CA 3" on 2026-11-24T12:00:00Z; "CN=CA 1" on 2026-11-25T12:00:00Z; and 2 more; add`},
	} {
		got := ""
		if condition := tc.summary.Expiring(tc.before, start); condition != nil {
			got = fmt.Sprintf("%s %s %s", condition.Status, condition.Reason, condition.Message)
		}
		if !strings.HasPrefix(got, tc.want) || got != "" && tc.want == "" {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}
