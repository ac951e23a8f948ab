package serving

import (
	"crypto/tls"
	"crypto/x509"
	"time"
)

// step is what has to be done with the contents of the Secret.
type step int

const (
	// keep leaves them as they are.
	keep step = iota
	// trim takes CAs out that nobody needs any more.
	trim
	// renew makes a new serving certificate, by the same CA.
	renew
	// replace makes a new CA and a certificate of it. The CAs before it stay.
	replace
)

// verdict is a step, why it is to be taken, and when to decide again if nothing
// changes before.
type verdict struct {
	step step
	why  string
	// until is set where the step is keep.
	until time.Time
}

// decide says what has to be done with the data of a Secret. That there is no
// Secret is told by no data.
//
// A CA is replaced and a certificate renewed when a third of its life is left, and
// at once where it cannot be used. CAs before the present one are taken out when
// the last certificate of theirs has expired: it was issued before the present CA
// was made, since the key that made it went then.
func decide(data map[string][]byte, names []string, now time.Time) verdict {
	if len(data) == 0 {
		return verdict{step: replace, why: "there is none"}
	}
	held, fault := parse(data)
	if len(held.authorities) == 0 {
		return verdict{step: replace, why: fault.Error()}
	}
	authority := held.authorities[0]
	switch {
	case !isValid(authority, now):
		return verdict{step: replace, why: "the CA is not valid now"}
	case !now.Before(dueTime(authority)):
		return verdict{step: replace, why: "the CA is due for its successor"}
	case fault != nil:
		return verdict{step: renew, why: fault.Error()}
	case !isVouchedFor(held.pair, held.authorities[:1], names, now):
		return verdict{step: renew, why: "the CA does not vouch for the certificate, with these names and now"}
	case !now.Before(dueTime(held.pair.Leaf)):
		return verdict{step: renew, why: "the certificate is due for renewal"}
	}
	until := earlier(dueTime(authority), dueTime(held.pair.Leaf))
	if len(held.authorities) > 1 {
		end := authority.NotBefore.Add(servingLife)
		if !now.Before(end) {
			return verdict{step: trim, why: "no certificate of the CAs before is valid any more"}
		}
		until = earlier(until, end)
	}
	return verdict{step: keep, until: until}
}

// isVouchedFor says whether clients that trust the authorities accept a
// certificate, under each of the names.
func isVouchedFor(pair *tls.Certificate, authorities []*x509.Certificate, names []string, now time.Time) bool {
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

// dueTime is when a third of a certificate's life is left.
func dueTime(certificate *x509.Certificate) time.Time {
	return certificate.NotAfter.Add(-certificate.NotAfter.Sub(certificate.NotBefore) / 3)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
