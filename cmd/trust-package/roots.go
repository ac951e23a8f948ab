package main

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"golang.org/x/crypto/x509roots/fallback/bundle"

	"trust-manager.io/internal/certs"
)

// graceDays is the longest validity of a publicly trusted TLS server certificate:
// 398 days according to the CA/Browser Forum's Baseline Requirements since
// September 2020, and less since March 2026 (ballot SC-081v3).
const graceDays = 398

// policy is the treatment of roots with a distrust-after date. It implements the
// flag value of --constrained.
type policy string

const (
	grace policy = "grace"
	keep  policy = "keep"
	drop  policy = "drop"
)

// String returns the value as written on the command line.
func (p *policy) String() string { return string(*p) }

// Type returns the name of the value type for the help text.
func (p *policy) Type() string { return "policy" }

// Set parses a value from the command line.
func (p *policy) Set(value string) error {
	switch policy(value) {
	case grace, keep, drop:
		*p = policy(value)
		return nil
	}
	return errors.New("must be grace, keep or drop")
}

// selection is the result of applying a policy to the list.
type selection struct {
	// certificates are in the order of the list.
	certificates []certs.Certificate
	// keptDated and dropped are the subjects of roots with a distrust-after
	// date that were kept and left out.
	keptDated, dropped []string
}

// selectRoots applies the policy to each root. Only the policy grace uses listDate,
// the date of the list.
func selectRoots(roots iter.Seq[bundle.Root], constrained policy, listDate time.Time) (selection, error) {
	var s selection
	for root := range roots {
		certificate, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			return selection{}, fmt.Errorf("root %d of the list: %w", len(s.certificates)+len(s.dropped)+1, err)
		}
		subject := certificate.Subject.String()
		if root.Constraint != nil {
			if !isDistrustAfter(root.Constraint) {
				return selection{}, fmt.Errorf("root %s has a constraint that is not a distrust-after date, which this program does not support", subject)
			}
			if !constrained.admits(root.Constraint, listDate) {
				s.dropped = append(s.dropped, subject)
				continue
			}
			s.keptDated = append(s.keptDated, subject)
		}
		s.certificates = append(s.certificates, certs.Certificate{
			DER: root.Certificate, Fingerprint: sha256.Sum256(root.Certificate),
		})
	}
	return s, nil
}

// constraint checks a chain that ends in a root. The list does not expose its date.
type constraint func(chain []*x509.Certificate) error

// accepts reports whether the constraint accepts a certificate issued at a time.
func (c constraint) accepts(issued time.Time) bool {
	return c([]*x509.Certificate{{NotBefore: issued}}) == nil
}

// isDistrustAfter reports whether the constraint behaves like a distrust-after date:
// it accepts certificates issued long ago and rejects ones of the far future.
func isDistrustAfter(c constraint) bool {
	longAgo := time.Date(1950, time.January, 1, 0, 0, 0, 0, time.UTC)
	farFuture := time.Date(9999, time.January, 1, 0, 0, 0, 0, time.UTC)
	return c.accepts(longAgo) && !c.accepts(farFuture)
}

// admits reports whether a root with a distrust-after date is kept. With grace it is
// kept as long as a certificate that it issued in time could be valid at listDate.
func (p policy) admits(c constraint, listDate time.Time) bool {
	if p == grace {
		return c.accepts(listDate.AddDate(0, 0, -graceDays))
	}
	return p == keep
}

// report describes which roots were kept and left out.
func (s selection) report() string {
	var b strings.Builder
	fmt.Fprintf(&b, "kept %d roots, %s\n", len(s.certificates), dated(s.keptDated))
	fmt.Fprintf(&b, "left out %s\n", dated(s.dropped))
	return b.String()
}

// dated returns the number and the names of roots with a distrust-after date.
func dated(subjects []string) string {
	text := fmt.Sprintf("%d with a distrust-after date", len(subjects))
	if len(subjects) > 0 {
		text += ": " + strings.Join(subjects, "; ")
	}
	return text
}
