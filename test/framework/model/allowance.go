package model

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"trust-manager.io/api/trust/v1alpha1"
)

// inFlight is the longest time for which a write can be in flight that was decided on
// before another one, of a newer state, that has already arrived.
const inFlight = 5 * time.Second

// allowance is what the targets of a Bundle may contain that retains all certificates that
// leave its sources, except for the excluded ones. Which revisions the operator has seen,
// of those that followed each other quickly, cannot be known, so the revisions alone do
// not determine which certificates it retains. What holds is this: a certificate that was
// in a target remains in all of them, and an excluded one is in none. Where an exclusion
// has just changed, neither is certain.
type allowance struct {
	// sourced are all certificates that the sources have contained, by first appearance.
	sourced []string
	// excluded are all lists of exclusions that the Bundle has had.
	excluded []exclusions
	// perhaps are the periods in which each certificate was excluded, including the time
	// in which that was being changed, and surely the same without that time.
	perhaps, surely map[string]spans
	// held is since when each certificate has been in targets without being excluded.
	held map[string]time.Time
}

// exclusions are those of a Bundle in a period that begins with the update of the Bundle,
// between begun and made. made is zero while that is in progress.
type exclusions struct {
	list        []v1alpha1.Exclusion
	begun, made time.Time
}

// allowance returns that of a Bundle, or nil if it neither retains nor excludes.
func (h *History) allowance(name string, b *Bundle) *allowance {
	a := h.allowances[name]
	if a == nil && (b.rotates() || len(b.Spec.Exclude) > 0) {
		// The first exclusions count from the beginning: no target is older.
		a = &allowance{perhaps: map[string]spans{}, surely: map[string]spans{}, held: map[string]time.Time{}}
		a.excluded = []exclusions{{list: slices.Clone(b.Spec.Exclude), made: time.Unix(0, 0)}}
		h.allowances[name] = a
	}
	return a
}

// update records the certificates of the sources, and which ones are about to be excluded.
// It reports whether the exclusions have changed.
func (a *allowance) update(b *Bundle, now time.Time) (changed bool) {
	if last := a.excluded[len(a.excluded)-1]; !slices.Equal(last.list, b.Spec.Exclude) {
		changed = true
		a.excluded = append(a.excluded, exclusions{list: slices.Clone(b.Spec.Exclude), begun: now})
		for _, certificate := range a.sourced {
			a.begin(certificate, a.excluded[len(a.excluded)-1])
		}
	}
	for _, certificate := range b.Revision.Sourced {
		if slices.Contains(a.sourced, certificate) {
			continue
		}
		a.sourced = append(a.sourced, certificate)
		for _, e := range a.excluded {
			a.begin(certificate, e)
			if !e.made.IsZero() {
				a.finish(certificate, e)
			}
		}
	}
	return changed
}

// made records that the update of the Bundle to its last exclusions has been made.
func (a *allowance) made(now time.Time) {
	last := &a.excluded[len(a.excluded)-1]
	last.made = now
	for _, certificate := range a.sourced {
		a.finish(certificate, *last)
	}
}

// begin records for a certificate that an update to exclusions begins.
func (a *allowance) begin(certificate string, e exclusions) {
	if Excludes(e.list, certificate) {
		a.perhaps[certificate] = a.perhaps[certificate].set(true, e.begun)
		delete(a.held, certificate)
	} else {
		a.surely[certificate] = a.surely[certificate].set(false, e.begun)
	}
}

// finish records for a certificate that an update to exclusions has been made.
func (a *allowance) finish(certificate string, e exclusions) {
	if Excludes(e.list, certificate) {
		a.surely[certificate] = a.surely[certificate].set(true, e.made)
	} else {
		a.perhaps[certificate] = a.perhaps[certificate].set(false, e.made)
	}
}

// check returns an error if a PEM file must not be the one of a revision, given what the
// operator may have known in a window.
func (a *allowance) check(r *Revision, text string, since, now time.Time) error {
	blocks := Blocks(text)
	retained := blocks
	for _, certificate := range r.Sourced {
		switch {
		case len(retained) > 0 && retained[0] == certificate:
			retained = retained[1:]
		case !a.perhaps[certificate].during(since, now):
			return fmt.Errorf("%s is not in it, or not in its order", r)
		}
	}
	var wrong []error
	for i, block := range retained {
		if !slices.Contains(a.sourced, block) || slices.Contains(r.Sourced, block) || slices.Contains(retained[:i], block) {
			wrong = append(wrong, fmt.Errorf("certificate %d follows %s and cannot be retained", len(blocks)-len(retained)+i+1, r))
		}
	}
	for number, certificate := range a.sourced {
		present, held := slices.Contains(blocks, certificate), a.held[certificate]
		switch {
		case present && a.surely[certificate].throughout(since, now):
			wrong = append(wrong, fmt.Errorf("CA %d of the sources is excluded, and in it", number))
		case !present && !held.IsZero() && held.Before(a.due(certificate, since, now)):
			wrong = append(wrong, fmt.Errorf("CA %d of the sources is to be retained, and not in it", number))
		}
	}
	return errors.Join(wrong...)
}

// due returns the time before which a certificate must have been in targets to be in each
// one that is written now. One that was never excluded depends on writes in flight only,
// not on when the operator learns of exclusions.
func (a *allowance) due(certificate string, since, now time.Time) time.Time {
	if decided := now.Add(-inFlight); len(a.perhaps[certificate]) == 0 && decided.After(since) {
		return decided
	}
	return since
}

// hold records the certificates that the operator has written to a target.
func (a *allowance) hold(text string, since, now time.Time) {
	for _, certificate := range a.sourced {
		if a.held[certificate].IsZero() && strings.Contains(text, certificate) && !a.perhaps[certificate].during(since, now) {
			a.held[certificate] = now
		}
	}
}
