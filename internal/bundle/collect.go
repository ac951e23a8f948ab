package bundle

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"trust-manager.io/internal/certs"
)

// maxDisplayed is how many certificates or fields a note names.
const maxDisplayed = 3

// collector accumulates the certificates and notes of one build.
type collector struct {
	filter     Filter
	now        time.Time
	selfSigned *selfSignedCache
	bundle     Bundle
	seen       map[[sha256.Size]byte]struct{}
	excluder   *excluder
	// excluded has the origins of the excluded certificates.
	excluded []certs.Origin
	// dropped has, for each rule, the origins of the certificates that it left out.
	dropped [len(rules)][]certs.Origin
	// known are the sources that have been read, now or in an earlier build, and missing
	// those of them that are missing now.
	known, missing []string
	// tolerated are the problems of the missing sources, and newlyMissing those of the
	// sources that were not missing in the previous build.
	tolerated, newlyMissing Problems
	// retentionNotes describe the retained certificates, and candidates is how many would
	// be retained if there were no limit.
	retentionNotes []string
	candidates     int
	// leftAt has the time at which each certificate that has left every source was first
	// missed, and previous the certificates of the previous bundle.
	leftAt   map[[sha256.Size]byte]time.Time
	previous []certs.Certificate
	// problems are the reasons why there can be no bundle.
	problems Problems
}

// newCollector returns a collector with room for size certificates.
func newCollector(filter Filter, now time.Time, selfSigned *selfSignedCache, size int) collector {
	c := collector{
		filter: filter, now: now, selfSigned: selfSigned, excluder: newExcluder(filter.Exclude),
		seen: make(map[[sha256.Size]byte]struct{}, size),
	}
	if size > 0 {
		c.bundle.Certificates = make([]certs.Certificate, 0, size)
	}
	return c
}

// add appends new certificates in order, subject to the filter; a duplicate keeps its
// first position (S2). The field is that of the source.
func (c *collector) add(field string, results []certs.Result) {
	for _, result := range results {
		for i := range result.Certificates {
			certificate := &result.Certificates[i]
			if _, duplicate := c.seen[certificate.Fingerprint]; duplicate {
				c.bundle.Omitted.Duplicate++
				continue
			}
			c.seen[certificate.Fingerprint] = struct{}{}
			c.addFiltered(field, certificate)
		}
		for i := range result.Skipped {
			c.bundle.Notes = append(c.bundle.Notes, result.Skipped[i].Error())
		}
	}
}

// addFiltered appends a certificate unless it is excluded, dropped or rejected (S12). A
// certificate that one filter drops is not rejected by another.
func (c *collector) addFiltered(field string, certificate *certs.Certificate) {
	if c.excluder.excludes(certificate) {
		c.excluded = append(c.excluded, certificate.Origin)
		return
	}
	for _, policy := range []Policy{Drop, Reject} {
		at := c.matchingRule(certificate, policy)
		switch {
		case at < 0:
			continue
		case policy == Drop:
			c.dropped[at] = append(c.dropped[at], certificate.Origin)
		default:
			c.problems = append(c.problems, rules[at].reject(certificate))
		}
		return
	}
	c.bundle.append(certificate)
	// A text that was parsed in advance has no source field.
	c.bundle.Certificates[len(c.bundle.Certificates)-1].Origin.Field = field
}

// matchingRule returns the index of the first rule that has this policy and matches the
// certificate, or -1.
func (c *collector) matchingRule(certificate *certs.Certificate, policy Policy) int {
	for i := range rules {
		if rules[i].policy(c.filter) == policy && rules[i].matches(certificate, c.now, c.selfSigned) {
			return i
		}
	}
	return -1
}

// check returns why the bundle must not be written: a source cannot be used, or the
// bundle is empty (S9) or exceeds [MaxCertificates].
func (c *collector) check() Problems {
	if len(c.problems) > 0 {
		return c.problems
	}
	switch count := len(c.bundle.Certificates); {
	case count == 0:
		detail := "the sources contain no certificates, and an empty bundle is never written"
		if notes := c.droppedNotes(); len(notes) > 0 {
			cause := "the filters leave"
			if len(c.excluded) > 0 {
				cause = "spec.exclude leaves"
			}
			detail = cause + " no certificate, and an empty bundle is never written: " + strings.Join(notes, "; ")
		}
		return append(slices.Clone(c.tolerated), &certs.Problem{Reason: certs.SourceNotFound, Detail: detail})
	case count > MaxCertificates:
		return Problems{{Reason: certs.SourceBuildError,
			Detail: fmt.Sprintf("the sources contain %d certificates, the limit is %d", count, MaxCertificates)}}
	}
	return nil
}

// finish returns the bundle. Notes on possible mistakes come before notes on what was
// left out on purpose, because a message shows only the first few.
func (c *collector) finish() Bundle {
	var notes []string
	for _, problem := range c.tolerated {
		notes = append(notes, problem.Error()+"; its certificates count as removed")
	}
	if note := c.excluder.unmatched(); note != "" {
		notes = append(notes, note)
	}
	c.bundle.Notes = slices.Concat(notes, c.retentionNotes, c.droppedNotes(), c.bundle.Notes)
	c.bundle.Missing = len(c.tolerated)
	c.bundle.Omitted.Excluded = len(c.excluded)
	for i, count := range []*int{&c.bundle.Omitted.Expired, &c.bundle.Omitted.NonCA, &c.bundle.Omitted.NotSelfSigned, &c.bundle.Omitted.Nonconforming} {
		*count = len(c.dropped[i])
	}
	if c.filter.Expired.keepsOut() {
		c.bundle.ValidUntil = earlier(c.bundle.ValidUntil, c.bundle.EarliestNotAfter)
	}
	return c.bundle
}

// droppedNotes describes what exclusions and filters have left out, with its origins.
func (c *collector) droppedNotes() []string {
	var notes []string
	if len(c.excluded) > 0 {
		notes = append(notes, originsNote("1 certificate is excluded", "%d certificates are excluded", c.excluded))
	}
	for i := range rules {
		if len(c.dropped[i]) > 0 {
			notes = append(notes, originsNote(rules[i].singular, rules[i].plural, c.dropped[i]))
		}
	}
	return notes
}

// originsNote returns the singular note, or the plural one with the count, followed by
// the first few origins.
func originsNote(singular, plural string, origins []certs.Origin) string {
	count := len(origins)
	note := singular
	if count > 1 {
		note = fmt.Sprintf(plural, count)
	}
	var places []string
	for _, origin := range origins[:min(count, maxDisplayed)] {
		places = append(places, origin.String())
	}
	if count > maxDisplayed {
		places = append(places, "…")
	}
	return note + " (" + strings.Join(places, "; ") + ")"
}
