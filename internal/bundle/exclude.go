package bundle

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"trust-manager.io/internal/certs"
)

// Exclusion identifies certificates that are never in a bundle: by their fingerprint, by
// the SHA-256 of their public key, or by their subject. It applies even if the rest of the
// Spec cannot be used, since an exclusion is for emergencies.
type Exclusion struct {
	// Field is the path of the entry in the Bundle.
	Field       string
	Certificate *[sha256.Size]byte
	PublicKey   *[sha256.Size]byte
	Subject     string
	// Comment is for people.
	Comment string
}

// String describes the exclusion to users: its field, what it matches, and its comment.
func (e *Exclusion) String() string {
	parts := []string{e.Field}
	if e.Certificate != nil {
		parts = append(parts, fmt.Sprintf("SHA-256 %x", *e.Certificate))
	}
	if e.PublicKey != nil {
		parts = append(parts, fmt.Sprintf("public key SHA-256 %x", *e.PublicKey))
	}
	if e.Subject != "" {
		parts = append(parts, fmt.Sprintf("subject %q", e.Subject))
	}
	text := strings.Join(parts, ", ")
	if e.Comment != "" {
		text += ": " + e.Comment
	}
	return text
}

// excluder looks up certificates in exclusions and records which of them matched.
type excluder struct {
	list    []Exclusion
	matched []bool
	// keys and subjects are true if an entry needs that property of a certificate.
	keys, subjects bool
}

func newExcluder(list []Exclusion) *excluder {
	e := &excluder{list: list, matched: make([]bool, len(list))}
	for i := range list {
		e.keys = e.keys || list[i].PublicKey != nil
		e.subjects = e.subjects || list[i].Subject != ""
	}
	return e
}

// excludes reports whether any entry matches the certificate.
func (e *excluder) excludes(certificate *certs.Certificate) (excluded bool) {
	var (
		key     [sha256.Size]byte
		subject string
	)
	if e.keys {
		key = sha256.Sum256(certificate.RawPublicKey)
	}
	if e.subjects {
		subject = certificate.Subject()
	}
	for i := range e.list {
		entry := &e.list[i]
		if entry.Certificate != nil && *entry.Certificate == certificate.Fingerprint ||
			entry.PublicKey != nil && *entry.PublicKey == key || entry.Subject != "" && entry.Subject == subject {
			e.matched[i], excluded = true, true
		}
	}
	return excluded
}

// unmatched returns a note on the entries that matched nothing, as a misspelled one
// would, or "".
func (e *excluder) unmatched() string {
	var fields []string
	for i, matched := range e.matched {
		if !matched {
			fields = append(fields, e.list[i].Field)
		}
	}
	more := len(fields) - maxDisplayed
	switch {
	case len(fields) == 0:
		return ""
	case len(fields) == 1:
		return fields[0] + " matches no certificate in the sources and no retained certificate"
	case more > 0:
		fields = append(fields[:maxDisplayed], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(fields, ", ") + " match no certificate in the sources and no retained certificate"
}

// Without returns the bundle without excluded certificates and without those whose
// retention has ended, and how many of each it removed. It is for a bundle that cannot be
// rebuilt.
func (b Bundle) Without(exclusions []Exclusion, hasEnded func(*certs.Certificate) bool) (rest Bundle, excluded, ended int) {
	excluder := newExcluder(exclusions)
	rest = b
	rest.Certificates, rest.Retained, rest.EarliestNotAfter, rest.ValidUntil = nil, nil, time.Time{}, time.Time{}
	retainedFrom := len(b.Certificates) - len(b.Retained)
	for i := range b.Certificates {
		switch {
		case excluder.excludes(&b.Certificates[i]):
			excluded++
			continue
		case hasEnded(&b.Certificates[i]):
			ended++
			continue
		}
		rest.append(&b.Certificates[i])
		if i >= retainedFrom {
			rest.Retained = append(rest.Retained, b.Retained[i-retainedFrom])
		}
	}
	rest.Omitted.Excluded += excluded
	return rest, excluded, ended
}

// append appends a certificate and updates EarliestNotAfter.
func (b *Bundle) append(certificate *certs.Certificate) {
	if first := b.EarliestNotAfter; first.IsZero() || certificate.NotAfter.Before(first) {
		b.EarliestNotAfter = certificate.NotAfter
	}
	b.Certificates = append(b.Certificates, *certificate)
}
