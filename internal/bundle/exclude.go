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

// Exclusion identifies certificates that are never in a bundle: by their fingerprint, by
// the SHA-256 of their public key, or by their subject.
type Exclusion struct {
	// Field is the path of the entry in the Bundle.
	Field       string
	Certificate *[sha256.Size]byte
	PublicKey   *[sha256.Size]byte
	Subject     string
}

// Exclusions converts the exclusions of a Bundle. They apply even if the rest of the
// Bundle cannot be used, since an exclusion is for emergencies.
func Exclusions(obj *v1alpha1.Bundle) ([]Exclusion, Problems) {
	var (
		list     []Exclusion
		problems Problems
	)
	for i, entry := range obj.Spec.Exclude {
		field := fmt.Sprintf("spec.exclude[%d]", i)
		exclusion := Exclusion{Field: field, Subject: entry.Subject}
		for _, fingerprint := range []struct {
			name, text string
			into       **[sha256.Size]byte
		}{{"sha256", entry.SHA256, &exclusion.Certificate}, {"publicKeySHA256", entry.PublicKeySHA256, &exclusion.PublicKey}} {
			digits, err := hex.DecodeString(strings.ReplaceAll(fingerprint.text, ":", ""))
			switch {
			case fingerprint.text == "":
			case err != nil || len(digits) != sha256.Size:
				problems = append(problems, &certs.Problem{
					Origin: certs.Origin{Field: field + "." + fingerprint.name}, Reason: certs.SourceBuildError,
					Detail: "a SHA-256 has 64 hexadecimal digits, optionally with a colon after every second digit",
				})
			default:
				*fingerprint.into = (*[sha256.Size]byte)(digits)
			}
		}
		list = append(list, exclusion)
	}
	return list, problems
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
	more := len(fields) - maxShown
	switch {
	case len(fields) == 0:
		return ""
	case len(fields) == 1:
		return fields[0] + " matches no certificate in the sources and no retained certificate"
	case more > 0:
		fields = append(fields[:maxShown], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(fields, ", ") + " match no certificate in the sources and no retained certificate"
}

// Without returns the bundle without excluded certificates and without those whose
// retention has ended, and how many of each it removed. It is for a bundle that cannot be
// rebuilt.
func (b Bundle) Without(exclusions []Exclusion, hasEnded func(*certs.Certificate) bool) (rest Bundle, excluded, ended int) {
	excluder := newExcluder(exclusions)
	rest = b
	rest.Certificates, rest.Retained, rest.EarliestNotAfter, rest.Changes = nil, nil, time.Time{}, time.Time{}
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
	rest.Left.Excluded += excluded
	return rest, excluded, ended
}

// append appends a certificate and updates EarliestNotAfter.
func (b *Bundle) append(certificate *certs.Certificate) {
	if first := b.EarliestNotAfter; first.IsZero() || certificate.NotAfter.Before(first) {
		b.EarliestNotAfter = certificate.NotAfter
	}
	b.Certificates = append(b.Certificates, *certificate)
}
