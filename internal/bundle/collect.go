package bundle

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"trust-manager.io/internal/certs"
)

// shownDropped is how many of the certificates that a filter left out a note
// names, by where they stand.
const shownDropped = 3

// collector puts a bundle together.
type collector struct {
	filter   Filter
	now      time.Time
	signed   *selfSigned
	bundle   Bundle
	seen     map[[sha256.Size]byte]struct{}
	excluder *excluder
	// excluded is where the certificates stand that are excluded.
	excluded []certs.Origin
	// dropped is where the certificates stand that each of the filters left out.
	dropped [len(traits)][]certs.Origin
	// known are the sources that were read, once at least, and missing those of them
	// that are missing.
	known, missing []string
	// forgiven are why those are missing, and lost why those are that were there the
	// last time.
	forgiven, lost Problems
	// retained are notes of what stays though it has left all sources, and staying is
	// how many would stay if there were no limit.
	retained []string
	staying  int
	// missed has when each certificate that has left every source was first missed, and
	// last are the certificates of the bundle before.
	missed map[[sha256.Size]byte]time.Time
	last   []certs.Certificate
	// problems are why there can be no bundle.
	problems Problems
}

// newCollector makes one with room for as many certificates as there may be.
func newCollector(filter Filter, now time.Time, signed *selfSigned, size int) collector {
	c := collector{
		filter: filter, now: now, signed: signed, excluder: newExcluder(filter.Exclude),
		seen: make(map[[sha256.Size]byte]struct{}, size),
	}
	if size > 0 {
		c.bundle.Certificates = make([]certs.Certificate, 0, size)
	}
	return c
}

// add appends what is new and not filtered, in order; a certificate that is
// there already keeps its first place (S2). The field is that of the source.
func (c *collector) add(field string, results []certs.Result) {
	for _, result := range results {
		for i := range result.Certificates {
			certificate := &result.Certificates[i]
			if _, duplicate := c.seen[certificate.Fingerprint]; duplicate {
				c.bundle.Left.Duplicate++
				continue
			}
			c.seen[certificate.Fingerprint] = struct{}{}
			c.filtered(field, certificate)
		}
		for i := range result.Skipped {
			c.bundle.Notes = append(c.bundle.Notes, result.Skipped[i].Error())
		}
	}
}

// filtered appends a certificate unless it is excluded, or a filter leaves it out
// (S12) or rejects it. What one filter drops no other rejects.
func (c *collector) filtered(field string, certificate *certs.Certificate) {
	if c.excluder.excludes(certificate) {
		c.excluded = append(c.excluded, certificate.Origin)
		return
	}
	for _, policy := range []Policy{Drop, Reject} {
		at := c.trait(certificate, policy)
		switch {
		case at < 0:
			continue
		case policy == Drop:
			c.dropped[at] = append(c.dropped[at], certificate.Origin)
		default:
			c.problems = append(c.problems, traits[at].reject(certificate))
		}
		return
	}
	c.bundle.append(certificate)
	// Text that was parsed before does not know of the source.
	c.bundle.Certificates[len(c.bundle.Certificates)-1].Origin.Field = field
}

// trait gives the first of the traits under this policy that a certificate has, by
// its index, or -1.
func (c *collector) trait(certificate *certs.Certificate, policy Policy) int {
	for i := range traits {
		if traits[i].policy(c.filter) == policy && traits[i].has(certificate, c.now, c.signed) {
			return i
		}
	}
	return -1
}

// check refuses a bundle that must not be written: one of which a source cannot be
// used, an empty one (S9), and one beyond all bounds.
func (c *collector) check() Problems {
	if len(c.problems) > 0 {
		return c.problems
	}
	switch count := len(c.bundle.Certificates); {
	case count == 0:
		detail := "the sources give no certificate at all, and an empty bundle is never written"
		if notes := c.droppedNotes(); len(notes) > 0 {
			who := "the filters leave"
			if len(c.excluded) > 0 {
				who = "spec.exclude leaves"
			}
			detail = who + " no certificate, and an empty bundle is never written: " + strings.Join(notes, "; ")
		}
		return append(slices.Clone(c.forgiven), &certs.Problem{Reason: certs.SourceNotFound, Detail: detail})
	case count > MaxCertificates:
		return Problems{{Reason: certs.SourceBuildError,
			Detail: fmt.Sprintf("the sources give %d certificates, the limit is %d", count, MaxCertificates)}}
	}
	return nil
}

// finish gives the bundle. Among its notes that comes first which may be a mistake, and
// then what was left out on purpose, since a message shows only the first few.
func (c *collector) finish() Bundle {
	var notes []string
	for _, one := range c.forgiven {
		notes = append(notes, one.Error()+", so its certificates count as gone from it")
	}
	if idle := c.excluder.idle(); idle != "" {
		notes = append(notes, idle)
	}
	c.bundle.Notes = slices.Concat(notes, c.retained, c.droppedNotes(), c.bundle.Notes)
	c.bundle.Missing = len(c.forgiven)
	c.bundle.Left.Excluded = len(c.excluded)
	for i, count := range []*int{&c.bundle.Left.Expired, &c.bundle.Left.NonCA, &c.bundle.Left.NotSelfSigned} {
		*count = len(c.dropped[i])
	}
	if c.filter.Expired.acts() {
		c.bundle.Changes = earlier(c.bundle.Changes, c.bundle.EarliestNotAfter)
	}
	return c.bundle
}

// droppedNotes says what exclusions and filters have left out, and where it stands.
func (c *collector) droppedNotes() []string {
	var notes []string
	if len(c.excluded) > 0 {
		notes = append(notes, placesNote("1 certificate is excluded", "%d certificates are excluded", c.excluded))
	}
	for i := range traits {
		if len(c.dropped[i]) > 0 {
			notes = append(notes, placesNote(traits[i].one, traits[i].many, c.dropped[i]))
		}
	}
	return notes
}

// placesNote counts certificates, and says where the first few stand.
func placesNote(one, many string, origins []certs.Origin) string {
	count := len(origins)
	note := one
	if count > 1 {
		note = fmt.Sprintf(many, count)
	}
	var places []string
	for _, origin := range origins[:min(count, shownDropped)] {
		places = append(places, origin.String())
	}
	if count > shownDropped {
		places = append(places, "…")
	}
	return note + " (" + strings.Join(places, "; ") + ")"
}
