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
	// Detail describes why, to users, with the field.
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
				return Omission{Field: f.Exclude[i].Field, Detail: "excluded by " + f.Exclude[i].String(), IsExclusion: true}, true
			}
		}
	}
	c := newCollector(f, now, new(selfSignedCache), 0)
	for _, policy := range []Policy{Drop, Reject} {
		if at := c.matchingRule(certificate, policy); at >= 0 {
			field := "spec.filters." + rules[at].field
			return Omission{Field: field, Detail: fmt.Sprintf("it %s, and %s is %s", rules[at].fault(certificate), field, policy)}, true
		}
	}
	return Omission{}, false
}
