package ledger

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
)

// Soon is how long before its end a certificate is said to expire soon: long enough
// to replace a CA in working hours.
const Soon = 30 * 24 * time.Hour

// shownExpiring is how many certificates that expire soon a message names.
const shownExpiring = 3

// Expiry is when the certificates of a bundle expire.
type Expiry struct {
	// Ends are the NotAfters of all certificates that are not just retained, in order.
	Ends []time.Time
	// First are the subjects of those that expire first, as they are shown.
	First []string
}

// newExpiry finds out when the certificates of a bundle expire, but for those that are
// retained: they are on their way out, and nobody has to see to them.
func newExpiry(content bundle.Bundle) Expiry {
	order := make([]*certs.Certificate, len(content.Certificates)-len(content.Retained))
	for i := range order {
		order[i] = &content.Certificates[i]
	}
	slices.SortStableFunc(order, func(a, b *certs.Certificate) int { return a.NotAfter.Compare(b.NotAfter) })
	var expiry Expiry
	for i, certificate := range order {
		expiry.Ends = append(expiry.Ends, certificate.NotAfter)
		if i < shownExpiring {
			expiry.First = append(expiry.First, certificate.ShownSubject())
		}
	}
	return expiry
}

// Within counts the certificates that have expired or expire within a time from now.
func (e Expiry) Within(long time.Duration, now time.Time) int {
	count, _ := slices.BinarySearchFunc(e.Ends, now.Add(long), func(end, limit time.Time) int {
		if end.After(limit) {
			return 1
		}
		return -1
	})
	return count
}

// Next gives how long it takes until one more certificate expires soon; 0 stands for
// ever.
func (e Expiry) Next(now time.Time) time.Duration {
	if soon := e.Within(Soon, now); soon < len(e.Ends) {
		return e.Ends[soon].Add(-Soon).Sub(now) + time.Millisecond
	}
	return 0
}

// Expiring gives the condition ExpiringSoon, or nil where it is for others to say: the
// one before, if there is one, holds as long as there is no bundle in this process,
// and one that was never True is not needed.
func (s Summary) Expiring(before *metav1.Condition, now time.Time) *metav1.Condition {
	if !s.Built {
		return before
	}
	condition := &metav1.Condition{
		Type: v1alpha1.BundleConditionExpiringSoon, Status: metav1.ConditionTrue,
		Reason: v1alpha1.BundleReasonExpiringSoon, ObservedGeneration: s.Attempt.Generation,
	}
	soon := s.Expiry.Within(Soon, now)
	switch {
	case soon > 0:
		condition.Message = s.Expiry.message(soon)
	case before != nil:
		condition.Status, condition.Reason = metav1.ConditionFalse, v1alpha1.BundleReasonNotExpiringSoon
		condition.Message = "No certificate of the bundle expires within 30 days"
	default:
		return nil
	}
	return condition
}

// message says what has expired or expires soon, and when. It does not say how long that
// is from now, so that it changes with the facts alone.
func (e Expiry) message(soon int) string {
	verb := "have expired or expire"
	if soon == 1 {
		verb = "has expired or expires"
	}
	var each []string
	for i, subject := range e.First[:min(soon, len(e.First))] {
		each = append(each, fmt.Sprintf("%q on %s", subject, e.Ends[i].UTC().Format(time.RFC3339)))
	}
	if more := soon - len(each); more > 0 {
		each = append(each, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("%s of the bundle %s within 30 days: %s; add the successors to the sources now, so that both are trusted while certificates are replaced (spec.filters.expired: Drop takes out what has expired)",
		count(soon, "certificate"), verb, strings.Join(each, "; "))
}
