package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/certs"
)

// Exclusion names certificates that are never in a bundle, by one of their
// fingerprint, the SHA-256 of their public key, and their subject.
type Exclusion struct {
	// Field is the path of the entry in the Bundle.
	Field       string
	Certificate *[sha256.Size]byte
	PublicKey   *[sha256.Size]byte
	Subject     string
}

// Exclusions converts what a Bundle excludes. It does so where the rest of the
// Bundle cannot be used, too: an exclusion is for emergencies.
func Exclusions(from *v1alpha1.Bundle) ([]Exclusion, Problems) {
	var (
		list     []Exclusion
		problems Problems
	)
	for i, one := range from.Spec.Exclude {
		field := fmt.Sprintf("spec.exclude[%d]", i)
		exclusion := Exclusion{Field: field, Subject: one.Subject}
		for _, fingerprint := range []struct {
			name, text string
			into       **[sha256.Size]byte
		}{{"sha256", one.SHA256, &exclusion.Certificate}, {"publicKeySHA256", one.PublicKeySHA256, &exclusion.PublicKey}} {
			digits, err := hex.DecodeString(strings.ReplaceAll(fingerprint.text, ":", ""))
			switch {
			case fingerprint.text == "":
			case err != nil || len(digits) != sha256.Size:
				problems = append(problems, &certs.Problem{
					Origin: certs.Origin{Field: field + "." + fingerprint.name}, Reason: certs.SourceBuildError,
					Detail: "a SHA-256 has 64 hexadecimal digits, with or without a colon after each second one",
				})
			default:
				*fingerprint.into = (*[sha256.Size]byte)(digits)
			}
		}
		list = append(list, exclusion)
	}
	return list, problems
}

// excluder looks certificates up in exclusions, and remembers what matched.
type excluder struct {
	list    []Exclusion
	matched []bool
	// keys and subjects say what has to be known of a certificate.
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

// excludes says whether a certificate is named by any entry.
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
		one := &e.list[i]
		if one.Certificate != nil && *one.Certificate == certificate.Fingerprint ||
			one.PublicKey != nil && *one.PublicKey == key || one.Subject != "" && one.Subject == subject {
			e.matched[i], excluded = true, true
		}
	}
	return excluded
}

// idle tells of the entries that have matched nothing, as a misspelt one would, or
// gives "".
func (e *excluder) idle() string {
	var fields []string
	for i, matched := range e.matched {
		if !matched {
			fields = append(fields, e.list[i].Field)
		}
	}
	more := len(fields) - shownDropped
	switch {
	case len(fields) == 0:
		return ""
	case len(fields) == 1:
		return fields[0] + " matches no certificate of the sources, and none that is retained"
	case more > 0:
		fields = append(fields[:shownDropped], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(fields, ", ") + " match no certificate of the sources, and none that is retained"
}

// Without gives a bundle without what is excluded and what is over, and how many
// certificates each of them takes out. It is for a bundle that cannot be built anew.
func (b Bundle) Without(exclusions []Exclusion, isOver func(*certs.Certificate) bool) (rest Bundle, excluded, over int) {
	excluder := newExcluder(exclusions)
	rest = b
	rest.Certificates, rest.Retained, rest.EarliestNotAfter, rest.Changes = nil, nil, time.Time{}, time.Time{}
	retainedFrom := len(b.Certificates) - len(b.Retained)
	for i := range b.Certificates {
		switch {
		case excluder.excludes(&b.Certificates[i]):
			excluded++
			continue
		case isOver(&b.Certificates[i]):
			over++
			continue
		}
		rest.append(&b.Certificates[i])
		if i >= retainedFrom {
			rest.Retained = append(rest.Retained, b.Retained[i-retainedFrom])
		}
	}
	rest.Left.Excluded += excluded
	return rest, excluded, over
}

// append adds a certificate.
func (b *Bundle) append(certificate *certs.Certificate) {
	if first := b.EarliestNotAfter; first.IsZero() || certificate.NotAfter.Before(first) {
		b.EarliestNotAfter = certificate.NotAfter
	}
	b.Certificates = append(b.Certificates, *certificate)
}
