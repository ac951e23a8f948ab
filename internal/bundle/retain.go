package bundle

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"trust-manager.io/internal/certs"
)

const (
	// RetainedField is the field of the Bundle that retained certificates are there
	// for.
	RetainedField = "spec.rotation.retain"
	// MaxEvicted bounds what is remembered of certificates that had to go early.
	MaxEvicted = 100
)

// Rotation says how long certificates stay that have left every source.
type Rotation struct {
	// Retain is how long; 0 is not at all.
	Retain time.Duration
	// Max is how many stay at the same time.
	Max int
}

// Retained is a certificate that has left every source.
type Retained struct {
	// Certificate has no more than a fingerprint, and perhaps its NotAfter, if it did
	// not fit into the rotation state and this process has not seen it.
	Certificate certs.Certificate
	// Left is when it was missed first.
	Left time.Time
}

// Evicted is what is remembered of a certificate that had to go before its time.
type Evicted struct {
	Fingerprint [sha256.Size]byte
	Left        time.Time
}

// State is what has to be remembered of a Bundle from one build to the next, so that
// a certificate is retained that has left in between.
type State struct {
	// Present are the certificates of the bundle that sources had, in any order. Some may
	// have no more than a fingerprint, as in Retained.
	Present []certs.Certificate
	// Known are the sources that have been read, as Input.Source names them, and Missing
	// those of them that were missing last.
	Known, Missing []string
	// Retained are those that stay, the one first that left first.
	Retained []Retained
	// Evicted are those that would stay still if there were fewer.
	Evicted []Evicted
}

// Until returns the last moment at which a certificate is retained: never past its
// NotAfter, as far as that is known.
func (r Rotation) Until(one Retained) time.Time {
	until := one.Left.Add(r.Retain)
	if expiry := one.Certificate.NotAfter; !expiry.IsZero() && expiry.Before(until) {
		return expiry
	}
	return until
}

// forgiven says whether an input that is missing counts as one whose certificates
// have left: its source was there before. One that never was is a mistake.
func (r Rotation) forgiven(input Input, before State) bool {
	return r.Retain > 0 && input.Problem != nil && input.Problem.Reason == certs.SourceNotFound &&
		input.Source != "" && slices.Contains(before.Known, input.Source)
}

// forgive takes in a source that is missing and counts as one that is empty.
func (c *collector) forgive(input Input, before State) {
	c.known = append(c.known, input.Source)
	c.missing = append(c.missing, input.Source)
	c.forgiven = append(c.forgiven, input.Problem)
	if !slices.Contains(before.Missing, input.Source) {
		c.lost = append(c.lost, input.Problem)
	}
}

// unforgiven gives the sources that have just gone missing back as problems, where more
// certificates would have to be retained than can be: no source that is lost, be it one
// after another, may take a certificate out of the bundle before its time.
func (r Rotation) unforgiven(lost Problems, staying int) Problems {
	if staying <= r.Max {
		return nil
	}
	var problems Problems
	for _, one := range lost {
		problem := *one
		problem.Detail += fmt.Sprintf("; its certificates do not count as gone from it, since %d would have to be retained and spec.rotation.maxRetained is %d", staying, r.Max)
		problems = append(problems, &problem)
	}
	return problems
}

// retain adds the certificates that have left every source and are to stay, after
// those of the sources, and gives what has to be remembered. What is excluded or
// filtered never stays.
func (c *collector) retain(before State, rotation Rotation) State {
	next := State{Present: slices.Clone(c.bundle.Certificates), Known: c.known, Missing: c.missing}
	slices.SortFunc(next.Present, func(a, b certs.Certificate) int { return bytes.Compare(a.Fingerprint[:], b.Fingerprint[:]) })
	slices.Sort(next.Known)
	next.Known = slices.Compact(next.Known)
	slices.Sort(next.Missing)
	next.Missing = slices.Compact(next.Missing)
	staying := c.stays(before, rotation)
	slices.SortFunc(staying, func(a, b Retained) int {
		return cmp.Or(a.Left.Compare(b.Left), bytes.Compare(a.Certificate.Fingerprint[:], b.Certificate.Fingerprint[:]))
	})
	c.staying = len(staying)
	more := max(0, len(staying)-rotation.Max)
	next.Retained = staying[more:]
	next.Evicted = c.evicted(before, staying[:more], rotation)
	for _, one := range next.Retained {
		c.bundle.Changes = earlier(c.bundle.Changes, rotation.Until(one))
		if len(one.Certificate.DER) == 0 {
			c.bundle.Unavailable = append(c.bundle.Unavailable, one)
			continue
		}
		c.bundle.append(&one.Certificate)
		c.bundle.Retained = append(c.bundle.Retained, one)
	}
	c.noteRetained(next, rotation)
	return next
}

// stays returns the certificates that have left every source, and may stay. The time at
// which a certificate was first missed is kept in memory as well: a retention ends even
// if the state cannot be saved.
func (c *collector) stays(before State, rotation Rotation) []Retained {
	now := c.now.UTC().Truncate(time.Second)
	candidates := slices.Clone(before.Retained)
	for i := range before.Present {
		left := now
		if missed, ok := c.missed[before.Present[i].Fingerprint]; ok {
			left = missed
		}
		candidates = append(candidates, Retained{before.Present[i], left})
	}
	var staying []Retained
	missed := map[[sha256.Size]byte]time.Time{}
	for _, one := range candidates {
		one.Left = earlier(one.Left, now) // a person may have edited it
		fingerprint := one.Certificate.Fingerprint
		_, inSource := c.seen[fingerprint]
		_, taken := missed[fingerprint]
		if inSource || taken {
			continue
		}
		// Kept for what is over as well: the state may have it as present still.
		missed[fingerprint] = one.Left
		one.Certificate = c.complete(one.Certificate)
		one.Certificate.Origin = certs.Origin{Field: RetainedField}
		if c.now.After(rotation.Until(one)) || c.excluder.excludes(&one.Certificate) || c.isFiltered(&one.Certificate) {
			continue
		}
		staying = append(staying, one)
	}
	c.missed = missed
	return staying
}

// isFiltered reports whether a filter keeps a certificate from being retained. Of one
// that is known by its fingerprint alone, no filter knows what it is.
func (c *collector) isFiltered(certificate *certs.Certificate) bool {
	return len(certificate.DER) > 0 && (c.trait(certificate, Drop) >= 0 || c.trait(certificate, Reject) >= 0)
}

// complete returns a certificate of which the state has only the fingerprint as the
// last bundle had it, if it did.
func (c *collector) complete(certificate certs.Certificate) certs.Certificate {
	if len(certificate.DER) > 0 {
		return certificate
	}
	for i := range c.last {
		if c.last[i].Fingerprint == certificate.Fingerprint {
			return c.last[i]
		}
	}
	return certificate
}

// evicted gives what is remembered of those that had to go early, until they would
// have gone anyway, or a source has them again.
func (c *collector) evicted(before State, now []Retained, rotation Rotation) []Evicted {
	var all []Evicted
	for _, one := range before.Evicted {
		if _, back := c.seen[one.Fingerprint]; !back && !c.now.After(one.Left.Add(rotation.Retain)) {
			all = append(all, one)
		}
	}
	for _, one := range now {
		all = append(all, Evicted{one.Certificate.Fingerprint, one.Left})
	}
	return all[max(0, len(all)-MaxEvicted):]
}

// noteRetained tells which certificates stay, and that some had to go early.
func (c *collector) noteRetained(next State, rotation Rotation) {
	if count := len(c.bundle.Retained); count > 0 {
		note := "1 certificate that has left its sources is retained"
		if count > 1 {
			note = fmt.Sprintf("%d certificates that have left their sources are retained", count)
		}
		var each []string
		for _, one := range c.bundle.Retained[:min(count, shownDropped)] {
			each = append(each, strconv.Quote(one.Certificate.ShownSubject())+" until "+rotation.Until(one).UTC().Format(time.RFC3339))
		}
		if count > shownDropped {
			each = append(each, "…")
		}
		c.retained = append(c.retained, note+" ("+strings.Join(each, "; ")+")")
	}
	if count := len(next.Evicted); count > 0 {
		c.retained = append(c.retained, fmt.Sprintf("%d more had to go early, for spec.rotation.maxRetained", count))
	}
}

// earlier gives the earlier of two moments, of which the first may be none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
