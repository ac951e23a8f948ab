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
	// RetainedField is the field of a Bundle that makes it retain certificates; it is
	// their Origin.Field.
	RetainedField = "spec.rotation.retain"
	// MaxEvicted is the largest number of evicted certificates in a [State].
	MaxEvicted = 100
)

// Rotation defines how certificates are retained that have left every source.
type Rotation struct {
	// Retain is how long a certificate is retained; 0 turns retention off.
	Retain time.Duration
	// Max is the largest number of certificates that are retained at the same time.
	Max int
}

// Retained is a certificate that has left every source.
type Retained struct {
	// Certificate has only a fingerprint, and possibly a NotAfter, if it did not fit into
	// the rotation state and this process has never seen it.
	Certificate certs.Certificate
	// Left is when it was first missed.
	Left time.Time
}

// Evicted identifies a certificate whose retention ended early, because there were more
// than [Rotation] allows.
type Evicted struct {
	Fingerprint [sha256.Size]byte
	Left        time.Time
}

// State is the rotation state of a Bundle, which is persisted from one build to the next
// so that a certificate is retained even if it leaves in between.
type State struct {
	// Present are the certificates of the bundle that are in sources, in any order. Some
	// may have only a fingerprint, as in [Retained].
	Present []certs.Certificate
	// Known are the sources that have been read, as [Input] names them, and Missing those
	// of them that were missing in the last build.
	Known, Missing []string
	// Retained are the retained certificates, ordered by when they left.
	Retained []Retained
	// Evicted are the certificates that would still be retained without the limit.
	Evicted []Evicted
}

// Until returns the last moment at which a certificate is retained. It is never after the
// certificate's NotAfter, if that is known.
func (r Rotation) Until(retained Retained) time.Time {
	until := retained.Left.Add(r.Retain)
	if expiry := retained.Certificate.NotAfter; !expiry.IsZero() && expiry.Before(until) {
		return expiry
	}
	return until
}

// tolerates reports whether a missing input counts as one whose certificates have left:
// its source was read before. A source that never existed is a mistake.
func (r Rotation) tolerates(input Input, previous State) bool {
	return r.Retain > 0 && input.Problem != nil && input.Problem.Reason == certs.SourceNotFound &&
		input.Source != "" && slices.Contains(previous.Known, input.Source)
}

// tolerate records a missing source and treats it as empty.
func (c *collector) tolerate(input Input, previous State) {
	c.known = append(c.known, input.Source)
	c.missing = append(c.missing, input.Source)
	c.tolerated = append(c.tolerated, input.Problem)
	if !slices.Contains(previous.Missing, input.Source) {
		c.newlyMissing = append(c.newlyMissing, input.Problem)
	}
}

// checkMax returns the newly missing sources as problems if more certificates would have
// to be retained than the limit allows. So the loss of sources, at once or one after
// another, never ends the retention of a certificate early.
func (r Rotation) checkMax(candidates int, newlyMissing Problems) Problems {
	if candidates <= r.Max {
		return nil
	}
	var problems Problems
	for _, missing := range newlyMissing {
		problem := *missing
		problem.Detail += fmt.Sprintf("; the bundle is not built without it, since %d certificates would have to be retained and spec.rotation.maxRetained is %d", candidates, r.Max)
		problems = append(problems, &problem)
	}
	return problems
}

// retain appends the retained certificates after those of the sources, and returns the
// next state. Excluded and filtered certificates are never retained.
func (c *collector) retain(previous State, rotation Rotation) State {
	next := State{Present: slices.Clone(c.bundle.Certificates), Known: c.known, Missing: c.missing}
	slices.SortFunc(next.Present, func(a, b certs.Certificate) int { return bytes.Compare(a.Fingerprint[:], b.Fingerprint[:]) })
	slices.Sort(next.Known)
	next.Known = slices.Compact(next.Known)
	slices.Sort(next.Missing)
	next.Missing = slices.Compact(next.Missing)
	candidates := c.retainable(previous, rotation)
	slices.SortFunc(candidates, func(a, b Retained) int {
		return cmp.Or(a.Left.Compare(b.Left), bytes.Compare(a.Certificate.Fingerprint[:], b.Certificate.Fingerprint[:]))
	})
	c.candidates = len(candidates)
	excess := max(0, len(candidates)-rotation.Max)
	next.Retained = candidates[excess:]
	next.Evicted = c.evicted(previous, candidates[:excess], rotation)
	for _, retained := range next.Retained {
		c.bundle.ValidUntil = earlier(c.bundle.ValidUntil, rotation.Until(retained))
		if len(retained.Certificate.DER) == 0 {
			c.bundle.Unavailable = append(c.bundle.Unavailable, retained)
			continue
		}
		c.bundle.append(&retained.Certificate)
		c.bundle.Retained = append(c.bundle.Retained, retained)
	}
	c.noteRetained(next, rotation)
	return next
}

// retainable returns the certificates that have left every source and may be retained.
// The time at which each was first missed is also kept in memory, so that a retention ends
// even if the state cannot be saved.
func (c *collector) retainable(previous State, rotation Rotation) []Retained {
	now := c.now.UTC().Truncate(time.Second)
	all := slices.Clone(previous.Retained)
	for i := range previous.Present {
		left := now
		if at, ok := c.leftAt[previous.Present[i].Fingerprint]; ok {
			left = at
		}
		all = append(all, Retained{previous.Present[i], left})
	}
	var retainable []Retained
	leftAt := map[[sha256.Size]byte]time.Time{}
	for _, retained := range all {
		retained.Left = earlier(retained.Left, now) // users may edit it
		fingerprint := retained.Certificate.Fingerprint
		_, inSource := c.seen[fingerprint]
		_, duplicate := leftAt[fingerprint]
		if inSource || duplicate {
			continue
		}
		// Also recorded if the retention has ended: the state may still have it as present.
		leftAt[fingerprint] = retained.Left
		retained.Certificate = c.complete(retained.Certificate)
		retained.Certificate.Origin = certs.Origin{Field: RetainedField}
		if c.now.After(rotation.Until(retained)) || c.excluder.excludes(&retained.Certificate) || c.isFiltered(&retained.Certificate) {
			continue
		}
		retainable = append(retainable, retained)
	}
	c.leftAt = leftAt
	return retainable
}

// isFiltered reports whether a filter keeps a certificate from being retained. Filters
// cannot judge a certificate of which only the fingerprint is known.
func (c *collector) isFiltered(certificate *certs.Certificate) bool {
	return len(certificate.DER) > 0 && (c.matchingRule(certificate, Drop) >= 0 || c.matchingRule(certificate, Reject) >= 0)
}

// complete returns the full certificate from the previous bundle, if the state has only
// its fingerprint and the previous bundle has it.
func (c *collector) complete(certificate certs.Certificate) certs.Certificate {
	if len(certificate.DER) > 0 {
		return certificate
	}
	for i := range c.previous {
		if c.previous[i].Fingerprint == certificate.Fingerprint {
			return c.previous[i]
		}
	}
	return certificate
}

// evicted returns the previously and the newly evicted certificates. It omits those that
// are in a source again and those whose retention would have ended by now.
func (c *collector) evicted(previous State, excess []Retained, rotation Rotation) []Evicted {
	var all []Evicted
	for _, evicted := range previous.Evicted {
		if _, inSource := c.seen[evicted.Fingerprint]; !inSource && !c.now.After(evicted.Left.Add(rotation.Retain)) {
			all = append(all, evicted)
		}
	}
	for _, retained := range excess {
		all = append(all, Evicted{retained.Certificate.Fingerprint, retained.Left})
	}
	return all[max(0, len(all)-MaxEvicted):]
}

// noteRetained adds notes on the retained and the evicted certificates.
func (c *collector) noteRetained(next State, rotation Rotation) {
	if count := len(c.bundle.Retained); count > 0 {
		note := "1 certificate that has left its sources is retained"
		if count > 1 {
			note = fmt.Sprintf("%d certificates that have left their sources are retained", count)
		}
		var shown []string
		for _, retained := range c.bundle.Retained[:min(count, maxDisplayed)] {
			shown = append(shown, strconv.Quote(retained.Certificate.DisplaySubject())+" until "+rotation.Until(retained).UTC().Format(time.RFC3339))
		}
		if count > maxDisplayed {
			shown = append(shown, "…")
		}
		c.retentionNotes = append(c.retentionNotes, note+" ("+strings.Join(shown, "; ")+")")
	}
	if count := len(next.Evicted); count > 0 {
		c.retentionNotes = append(c.retentionNotes, fmt.Sprintf("retention of %d more ended early because of spec.rotation.maxRetained", count))
	}
}

// earlier returns the earlier of two times. A zero a counts as unset.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
