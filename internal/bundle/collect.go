package bundle

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"trust-manager.io/internal/certs"
)

// shownDropped is how many of the certificates that a filter left out a note
// names, by where they stand.
const shownDropped = 3

// collector puts a bundle together.
type collector struct {
	filter Filter
	now    time.Time
	bundle Bundle
	seen   map[[sha256.Size]byte]struct{}
	// expired and nonCA are where the certificates stand that were left out.
	expired, nonCA []certs.Origin
}

// newCollector makes one with room for as many certificates as there may be.
func newCollector(filter Filter, now time.Time, size int) collector {
	c := collector{filter: filter, now: now, seen: make(map[[sha256.Size]byte]struct{}, size)}
	if size > 0 {
		c.bundle.Certificates = make([]certs.Certificate, 0, size)
	}
	return c
}

// add appends what is new and not filtered, in order; a certificate that is
// there already keeps its first place (S2).
func (c *collector) add(results []certs.Result) {
	for _, result := range results {
		for i := range result.Certificates {
			certificate := &result.Certificates[i]
			if _, duplicate := c.seen[certificate.Fingerprint]; duplicate {
				continue
			}
			c.seen[certificate.Fingerprint] = struct{}{}
			c.filtered(certificate)
		}
		for i := range result.Skipped {
			c.bundle.Notes = append(c.bundle.Notes, result.Skipped[i].Error())
		}
	}
}

// filtered appends a certificate unless a filter leaves it out (S12).
func (c *collector) filtered(certificate *certs.Certificate) {
	switch {
	case c.filter.Expired && c.now.After(certificate.NotAfter):
		c.expired = append(c.expired, certificate.Origin)
		return
	case c.filter.NonCA && !certificate.CA:
		c.nonCA = append(c.nonCA, certificate.Origin)
		return
	}
	if first := c.bundle.EarliestNotAfter; first.IsZero() || certificate.NotAfter.Before(first) {
		c.bundle.EarliestNotAfter = certificate.NotAfter
	}
	c.bundle.Certificates = append(c.bundle.Certificates, *certificate)
}

// check refuses a bundle that must not be written: an empty one (S9), and one
// beyond all bounds.
func (c *collector) check() Problems {
	switch count := len(c.bundle.Certificates); {
	case count == 0:
		detail := "the sources give no certificate at all, and an empty bundle is never written"
		if notes := c.droppedNotes(); len(notes) > 0 {
			detail = "the filters leave no certificate, and an empty bundle is never written: " + strings.Join(notes, "; ")
		}
		return Problems{{Reason: certs.SourceNotFound, Detail: detail}}
	case count > MaxCertificates:
		return Problems{{Reason: certs.SourceBuildError,
			Detail: fmt.Sprintf("the sources give %d certificates, the limit is %d", count, MaxCertificates)}}
	}
	return nil
}

// finish gives the bundle. What was left out on purpose comes first among its
// notes, since a message shows only the first few.
func (c *collector) finish() Bundle {
	c.bundle.Notes = append(c.droppedNotes(), c.bundle.Notes...)
	return c.bundle
}

// droppedNotes says what the filters have left out, and where it stands.
func (c *collector) droppedNotes() []string {
	var notes []string
	for _, dropped := range []struct {
		origins []certs.Origin
		one     string
		many    string
	}{
		{c.expired, "1 expired certificate is left out", "%d expired certificates are left out"},
		{c.nonCA, "1 certificate that is not a CA is left out", "%d certificates that are not a CA are left out"},
	} {
		count := len(dropped.origins)
		if count == 0 {
			continue
		}
		note := dropped.one
		if count > 1 {
			note = fmt.Sprintf(dropped.many, count)
		}
		var places []string
		for _, origin := range dropped.origins[:min(count, shownDropped)] {
			places = append(places, origin.String())
		}
		if count > shownDropped {
			places = append(places, "…")
		}
		notes = append(notes, note+" ("+strings.Join(places, "; ")+")")
	}
	return notes
}
