package serving

import (
	"crypto/tls"
	"crypto/x509"
	"time"
)

// step is a change of the contents of the Secret.
type step int

const (
	// keep changes nothing.
	keep step = iota
	// trim removes CAs that are no longer needed.
	trim
	// renew issues a new serving certificate from the same CA.
	renew
	// replace creates a new CA and issues a certificate from it. Previous CAs stay trusted.
	replace
)

// decision is a step and its reason.
type decision struct {
	step   step
	reason string
	// until is the time of the next decision if nothing changes before. It is set only if
	// the step is keep.
	until time.Time
}

// decide returns the next step for the data of a Secret. Empty data means that the Secret
// does not exist.
//
// A CA is replaced and a certificate renewed when a third of its lifetime is left, and
// immediately if it is invalid. Previous CAs are removed when their last certificate has
// expired: it was issued before the current CA was created, because the private key of the
// previous CA was deleted at that time.
func decide(data map[string][]byte, names []string, now time.Time) decision {
	if len(data) == 0 {
		return decision{step: replace, reason: "the Secret does not exist or is empty"}
	}
	current, err := parse(data)
	if len(current.authorities) == 0 {
		return decision{step: replace, reason: err.Error()}
	}
	authority := current.authorities[0]
	switch {
	case !isValid(authority, now):
		return decision{step: replace, reason: "the CA is not valid now"}
	case !now.Before(dueTime(authority)):
		return decision{step: replace, reason: "the CA is due for replacement"}
	case err != nil:
		return decision{step: renew, reason: err.Error()}
	case !isTrusted(current.pair, current.authorities[:1], names, now):
		return decision{step: renew, reason: "the CA and the host names do not verify the certificate at this time"}
	case !now.Before(dueTime(current.pair.Leaf)):
		return decision{step: renew, reason: "the certificate is due for renewal"}
	}
	until := earlier(dueTime(authority), dueTime(current.pair.Leaf))
	if len(current.authorities) > 1 {
		end := authority.NotBefore.Add(servingLife)
		if !now.Before(end) {
			return decision{step: trim, reason: "all certificates of the previous CAs have expired"}
		}
		until = earlier(until, end)
	}
	return decision{step: keep, until: until}
}

// isTrusted reports whether clients that trust the authorities accept a certificate under
// each of the names.
func isTrusted(pair *tls.Certificate, authorities []*x509.Certificate, names []string, now time.Time) bool {
	roots := x509.NewCertPool()
	for _, authority := range authorities {
		roots.AddCert(authority)
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now}); err != nil {
		return false
	}
	for _, name := range names {
		if pair.Leaf.VerifyHostname(name) != nil {
			return false
		}
	}
	return true
}

func isValid(certificate *x509.Certificate, now time.Time) bool {
	return !now.Before(certificate.NotBefore) && !now.After(certificate.NotAfter)
}

// dueTime returns the time at which a third of a certificate's lifetime is left.
func dueTime(certificate *x509.Certificate) time.Time {
	return certificate.NotAfter.Add(-certificate.NotAfter.Sub(certificate.NotBefore) / 3)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
