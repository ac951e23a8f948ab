package bundle

import (
	"cmp"
	"crypto/sha256"
	"time"

	"trust-manager.io/internal/certs"
)

// Policy is what becomes of a certificate that a filter is about. The zero value
// says nothing, and counts as Keep where nobody else does.
type Policy string

// The policies.
const (
	Keep   Policy = "Keep"
	Drop   Policy = "Drop"
	Reject Policy = "Reject"
)

// acts says whether a certificate does not simply stay.
func (p Policy) acts() bool { return p == Drop || p == Reject }

// Filter says which certificates do not get into a bundle, and whether they are
// left out or fail it.
type Filter struct {
	// Expired is about those that are past their NotAfter.
	Expired Policy
	// NonCA is about those that are not a CA by their basic constraints.
	NonCA Policy
	// NotSelfSigned is about those that are not signed with their own key in their
	// own name.
	NotSelfSigned Policy
	// Exclude names those that are never in the bundle. It goes before all else.
	Exclude []Exclusion
}

// Or gives the filter, with the policies that it leaves unset as another one has
// them.
func (f Filter) Or(other Filter) Filter {
	return Filter{
		Expired:       cmp.Or(f.Expired, other.Expired),
		NonCA:         cmp.Or(f.NonCA, other.NonCA),
		NotSelfSigned: cmp.Or(f.NotSelfSigned, other.NotSelfSigned),
		Exclude:       f.Exclude,
	}
}

// trait is what one filter is about.
type trait struct {
	policy func(Filter) Policy
	has    func(certificate *certs.Certificate, now time.Time, signed *selfSigned) bool
	// field is that of the Bundle, and what says what is wrong with one.
	field, what string
	// one and many tell of those that are left out.
	one, many string
}

// traits has them in the order in which they are told, which is that of Left too.
var traits = [...]trait{{
	policy: func(f Filter) Policy { return f.Expired },
	has: func(c *certs.Certificate, now time.Time, _ *selfSigned) bool {
		return now.After(c.NotAfter)
	},
	field: "expired", what: "has expired",
	one: "1 expired certificate is left out", many: "%d expired certificates are left out",
}, {
	policy: func(f Filter) Policy { return f.NonCA },
	has:    func(c *certs.Certificate, _ time.Time, _ *selfSigned) bool { return !c.CA },
	field:  "notCA", what: "is not a CA",
	one: "1 certificate that is not a CA is left out", many: "%d certificates that are not a CA are left out",
}, {
	policy: func(f Filter) Policy { return f.NotSelfSigned },
	has:    func(c *certs.Certificate, _ time.Time, signed *selfSigned) bool { return !signed.is(c) },
	field:  "notSelfSigned", what: "is not self-signed",
	one: "1 certificate that is not self-signed is left out", many: "%d certificates that are not self-signed are left out",
}}

// selfSigned remembers which certificates are self-signed: to find out takes as
// long as some parsing, and most bundles never ask.
type selfSigned struct {
	before, now map[[sha256.Size]byte]bool
}

// is says whether a certificate is self-signed.
func (s *selfSigned) is(certificate *certs.Certificate) bool {
	known, ok := s.before[certificate.Fingerprint]
	if !ok {
		known, ok = s.now[certificate.Fingerprint]
	}
	if !ok {
		known = certificate.SelfSigned()
	}
	if s.now == nil {
		s.now = map[[sha256.Size]byte]bool{}
	}
	s.now[certificate.Fingerprint] = known
	return known
}

// forget keeps what was asked for since the last time.
func (s *selfSigned) forget() { s.before, s.now = s.now, nil }

// reject tells why a certificate fails its source.
func (t *trait) reject(certificate *certs.Certificate) *certs.Problem {
	return &certs.Problem{Origin: certificate.Origin, Reason: certs.SourceBuildError,
		Detail: "the certificate " + t.what + ", and the Bundle rejects such; take it out of the source, or set spec.filters." +
			t.field + " to Drop or Keep"}
}
