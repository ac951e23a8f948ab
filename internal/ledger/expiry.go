package ledger

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/text"
)

// ExpiringSoonPeriod is how long before its NotAfter a certificate counts as expiring soon:
// long enough to replace a CA in working hours.
const ExpiringSoonPeriod = 30 * 24 * time.Hour

// maxShownExpiring is how many certificates that expire soon a message names.
const maxShownExpiring = 3

// Expiry describes when the certificates of a bundle expire.
type Expiry struct {
	// Ends are the NotAfters of all certificates that are not retained, sorted.
	Ends []time.Time
	// First are the displayed subjects of the certificates that expire first.
	First []string
}

// newExpiry returns when the certificates of a bundle expire, except for retained ones:
// they are leaving the bundle anyway and need no action.
func newExpiry(content bundle.Bundle) Expiry {
	sorted := make([]*certs.Certificate, len(content.Certificates)-len(content.Retained))
	for i := range sorted {
		sorted[i] = &content.Certificates[i]
	}
	slices.SortStableFunc(sorted, func(a, b *certs.Certificate) int { return a.NotAfter.Compare(b.NotAfter) })
	var expiry Expiry
	for i, certificate := range sorted {
		expiry.Ends = append(expiry.Ends, certificate.NotAfter)
		if i < maxShownExpiring {
			expiry.First = append(expiry.First, certificate.DisplaySubject())
		}
	}
	return expiry
}

// Within returns the number of certificates that have expired or expire within a duration
// from now.
func (e Expiry) Within(duration time.Duration, now time.Time) int {
	count, _ := slices.BinarySearchFunc(e.Ends, now.Add(duration), func(end, limit time.Time) int {
		if end.After(limit) {
			return 1
		}
		return -1
	})
	return count
}

// maxNext is the longest time until [Expiry.Next]; then it is determined again.
const maxNext = 365 * 24 * time.Hour

// Next returns the time until one more certificate counts as expiring soon, or 0 if none
// will.
func (e Expiry) Next(now time.Time) time.Duration {
	if soon := e.Within(ExpiringSoonPeriod, now); soon < len(e.Ends) {
		// The end may be farther away than the longest time.Duration, 292 years.
		return min(e.Ends[soon].Add(-ExpiringSoonPeriod).Sub(now), maxNext) + time.Millisecond
	}
	return 0
}

// Expiring returns the condition ExpiringSoon, given the previous one, or nil if the status
// should not have it. The previous condition remains valid until this process has built the
// bundle, and a condition that was never True is not needed.
func (s Summary) Expiring(previous *metav1.Condition, now time.Time) *metav1.Condition {
	if !s.Built {
		return previous
	}
	condition := &metav1.Condition{
		Type: ConditionExpiringSoon, Status: metav1.ConditionTrue,
		Reason: ReasonExpiringSoon, ObservedGeneration: s.Attempt.Generation,
	}
	soon := s.Expiry.Within(ExpiringSoonPeriod, now)
	switch {
	case soon > 0:
		condition.Message = s.Expiry.message(soon)
	case previous != nil:
		condition.Status, condition.Reason = metav1.ConditionFalse, ReasonNotExpiringSoon
		condition.Message = "No certificate of the bundle expires within 30 days"
	default:
		return nil
	}
	return condition
}

// message describes which certificates have expired or expire soon, and when. It has no
// time relative to now, so that it only changes with the facts.
func (e Expiry) message(soon int) string {
	verb := "have expired or expire"
	if soon == 1 {
		verb = "has expired or expires"
	}
	var shown []string
	for i, subject := range e.First[:min(soon, len(e.First))] {
		shown = append(shown, fmt.Sprintf("%q on %s", subject, e.Ends[i].UTC().Format(time.RFC3339)))
	}
	if more := soon - len(shown); more > 0 {
		shown = append(shown, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("%s of the bundle %s within 30 days: %s; add the successors to the sources now, so that both are trusted while certificates are replaced (spec.filters.expired: Drop removes expired certificates)",
		text.Count(soon, "certificate"), verb, strings.Join(shown, "; "))
}
