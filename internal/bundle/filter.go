package bundle

import (
	"cmp"
	"crypto/sha256"
	"time"

	"trust-manager.io/internal/certs"
)

// Policy is what a filter does with the certificates that it matches. The zero value
// means unset, which is Keep unless a default applies.
type Policy string

// The policies.
const (
	Keep   Policy = "Keep"
	Drop   Policy = "Drop"
	Reject Policy = "Reject"
)

// keepsOut reports whether matching certificates do not get into the bundle.
func (p Policy) keepsOut() bool { return p == Drop || p == Reject }

// Filter selects certificates that do not get into a bundle. They are left out, or they
// fail the build.
type Filter struct {
	// Expired applies to certificates that are past their NotAfter.
	Expired Policy
	// NonCA applies to certificates that are not a CA by their basic constraints.
	NonCA Policy
	// NotSelfSigned applies to certificates that are not issued in their own name and
	// signed with their own key.
	NotSelfSigned Policy
	// Nonconforming applies to certificates that Go's parser refuses. Unlike the others, it
	// is Reject if it is unset.
	Nonconforming Policy
	// Exclude lists certificates that are never in the bundle. It takes precedence over
	// the policies.
	Exclude []Exclusion
}

// Or returns the filter with its unset policies taken from other.
func (f Filter) Or(other Filter) Filter {
	return Filter{
		Expired:       cmp.Or(f.Expired, other.Expired),
		NonCA:         cmp.Or(f.NonCA, other.NonCA),
		NotSelfSigned: cmp.Or(f.NotSelfSigned, other.NotSelfSigned),
		Nonconforming: cmp.Or(f.Nonconforming, other.Nonconforming),
		Exclude:       f.Exclude,
	}
}

// rule defines which certificates one policy of a [Filter] applies to.
type rule struct {
	policy  func(Filter) Policy
	matches func(certificate *certs.Certificate, now time.Time, selfSigned *selfSignedCache) bool
	// field is the field below spec.filters, and fault returns what is wrong with a matching
	// certificate.
	field string
	fault func(certificate *certs.Certificate) string
	// singular and plural are the notes on dropped certificates.
	singular, plural string
}

// rules are in the order of their notes and of the fields of [Omitted].
var rules = [...]rule{{
	policy: func(f Filter) Policy { return f.Expired },
	matches: func(c *certs.Certificate, now time.Time, _ *selfSignedCache) bool {
		return now.After(c.NotAfter)
	},
	field: "expired", fault: always("has expired"),
	singular: "1 expired certificate is left out", plural: "%d expired certificates are left out",
}, {
	policy:  func(f Filter) Policy { return f.NonCA },
	matches: func(c *certs.Certificate, _ time.Time, _ *selfSignedCache) bool { return !c.CA },
	field:   "notCA", fault: always("is not a CA"),
	singular: "1 certificate that is not a CA is left out", plural: "%d certificates that are not a CA are left out",
}, {
	policy: func(f Filter) Policy { return f.NotSelfSigned },
	matches: func(c *certs.Certificate, _ time.Time, selfSigned *selfSignedCache) bool {
		return !selfSigned.isSelfSigned(c)
	},
	field: "notSelfSigned", fault: always("is not self-signed"),
	singular: "1 certificate that is not self-signed is left out", plural: "%d certificates that are not self-signed are left out",
}, {
	policy: func(f Filter) Policy { return cmp.Or(f.Nonconforming, Reject) },
	matches: func(c *certs.Certificate, _ time.Time, _ *selfSignedCache) bool {
		return c.Nonconforming != ""
	},
	field: "nonconforming", fault: func(c *certs.Certificate) string {
		return "does not conform to RFC 5280 or is not supported: " + c.Nonconforming
	},
	singular: "1 nonconforming certificate is left out", plural: "%d nonconforming certificates are left out",
}}

// always returns a description that is the same for every certificate.
func always(fault string) func(*certs.Certificate) string {
	return func(*certs.Certificate) string { return fault }
}

// selfSignedCache caches which certificates are self-signed: the check takes as long as
// some parsing, and most bundles never need it.
type selfSignedCache struct {
	previous, current map[[sha256.Size]byte]bool
}

// isSelfSigned reports whether a certificate is self-signed.
func (s *selfSignedCache) isSelfSigned(certificate *certs.Certificate) bool {
	selfSigned, ok := s.previous[certificate.Fingerprint]
	if !ok {
		selfSigned, ok = s.current[certificate.Fingerprint]
	}
	if !ok {
		selfSigned = certificate.SelfSigned()
	}
	if s.current == nil {
		s.current = map[[sha256.Size]byte]bool{}
	}
	s.current[certificate.Fingerprint] = selfSigned
	return selfSigned
}

// evict removes the entries that were not used since the previous call.
func (s *selfSignedCache) evict() { s.previous, s.current = s.current, nil }

// reject returns the problem of a certificate that the Bundle rejects.
func (r *rule) reject(certificate *certs.Certificate) *certs.Problem {
	return &certs.Problem{Origin: certificate.Origin, Reason: certs.SourceBuildError,
		Detail: "the certificate " + r.fault(certificate) + ", and spec.filters." + r.field +
			" is Reject; remove it from the source, or set the filter to Drop or Keep"}
}
