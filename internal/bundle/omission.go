package bundle

import (
	"fmt"
	"time"

	"trust-manager.io/internal/certs"
)

// Omission is why a certificate of the sources is not in a bundle.
type Omission struct {
	// Field is the field of the Bundle that leaves the certificate out.
	Field string
	// Detail describes why, to users.
	Detail string
	// IsExclusion reports that it is an entry of spec.exclude, and not a filter.
	IsExclusion bool
}

// Omission returns why the filter leaves a certificate out; ok is false if it does not.
func (f Filter) Omission(certificate *certs.Certificate, now time.Time) (omission Omission, ok bool) {
	excluder := newExcluder(f.Exclude)
	if excluder.excludes(certificate) {
		for i, matched := range excluder.matched {
			if matched {
				return Omission{Field: f.Exclude[i].Field, Detail: "it is excluded", IsExclusion: true}, true
			}
		}
	}
	c := newCollector(f, now, new(selfSignedCache), 0)
	for _, policy := range []Policy{Drop, Reject} {
		if at := c.matchingRule(certificate, policy); at >= 0 {
			return Omission{Field: "spec.filters." + rules[at].field, Detail: fmt.Sprintf("it %s, and the filter is %s", rules[at].fault(certificate), policy)}, true
		}
	}
	return Omission{}, false
}
