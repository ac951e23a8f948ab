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

// graceDays is the longest that a publicly trusted TLS server certificate may
// be valid: 398 days by the CA/Browser Forum's Baseline Requirements from
// September 2020, and less from March 2026 on (ballot SC-081v3).
const graceDays = 398

// policy says what becomes of roots with a distrust-after date. It is a flag
// value.
type policy string

const (
	grace policy = "grace"
	keep  policy = "keep"
	drop  policy = "drop"
)

// String returns the value as it is given on the command line.
func (p *policy) String() string { return string(*p) }

// Type is what the help shows as the kind of value.
func (p *policy) Type() string { return "policy" }

// Set takes a value from the command line.
func (p *policy) Set(value string) error {
	switch policy(value) {
	case grace, keep, drop:
		*p = policy(value)
		return nil
	}
	return errors.New("it must be grace, keep or drop")
}

// selection is what goes into a package, and what was decided for it.
type selection struct {
	// certificates are in the order of the list.
	certificates []certs.Certificate
	// keptDated and dropped are the subjects of roots with a distrust-after
	// date.
	keptDated, dropped []string
}

// selectRoots applies the policy to each root. listDate is the date of the
// list, which grace is counted to; the other policies do not look at it.
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
				return selection{}, fmt.Errorf("root %s has a constraint that is not a distrust-after date; this program does not know what to do with it", subject)
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

// constraint judges a chain that ends in a root. The list hides what it checks.
type constraint func(chain []*x509.Certificate) error

// accepts says whether the constraint lets a certificate issued at a time pass.
func (c constraint) accepts(issued time.Time) bool {
	return c([]*x509.Certificate{{NotBefore: issued}}) == nil
}

// isDistrustAfter says whether the constraint does what a distrust-after date
// does: it accepts what was issued long ago and refuses what comes far ahead.
func isDistrustAfter(c constraint) bool {
	longAgo := time.Date(1950, time.January, 1, 0, 0, 0, 0, time.UTC)
	farAhead := time.Date(9999, time.January, 1, 0, 0, 0, 0, time.UTC)
	return c.accepts(longAgo) && !c.accepts(farAhead)
}

// admits says whether a root with a distrust-after date is kept. Under grace
// it is while a certificate could be valid at listDate that it issued in time.
func (p policy) admits(c constraint, listDate time.Time) bool {
	if p == grace {
		return c.accepts(listDate.AddDate(0, 0, -graceDays))
	}
	return p == keep
}

// report counts aloud what was kept and left out.
func (s selection) report() string {
	var b strings.Builder
	fmt.Fprintf(&b, "kept %d roots, %s\n", len(s.certificates), dated(s.keptDated))
	fmt.Fprintf(&b, "left out %s\n", dated(s.dropped))
	return b.String()
}

// dated counts and names roots with a distrust-after date.
func dated(subjects []string) string {
	text := fmt.Sprintf("%d with a distrust-after date", len(subjects))
	if len(subjects) > 0 {
		text += ": " + strings.Join(subjects, "; ")
	}
	return text
}
