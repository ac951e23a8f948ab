package controller

import (
	"errors"
	"fmt"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/ledger"
	"trust-manager.io/internal/target"
)

// What a message says of exclusions while a bundle cannot be built. Whoever excludes
// a CA in an emergency must not take it for done where it is not.
const (
	notReached = "WARNING: spec.exclude HAS NOT REACHED THE TARGETS: no bundle has been built since the operator started, " +
		"so there is none to take certificates out of; put the source right, or take it out of spec.sources: "
	nothingLeft = "WARNING: what spec.exclude names IS STILL IN THE TARGETS: nothing else would be left, and an empty bundle is never written; " +
		"add a source, or delete the Bundle with its targets: "
	notMade = "WARNING: spec.exclude HAS NOT REACHED THE TARGETS: the last good bundle cannot be made without what is excluded (%v): "
)

// distrust takes what a Bundle excludes out of the last good bundle, after the
// attempt to build another has failed: an exclusion does not wait for a source. The
// shape stays that of the last good revision, and the message of the attempt tells.
// Nothing is given where nothing has to be taken out, or nothing can.
func (b *bundles) distrust(from *v1alpha1.Bundle, attempt *ledger.Attempt) (*good, *target.Revision) {
	exclusions, _ := bundle.Exclusions(from) // what is wrong with one is among the problems already
	last := b.registry.lastGood(from.Name)
	switch {
	case len(exclusions) == 0 || from.Spec.Target == nil:
		return nil, nil
	case last == nil:
		attempt.Message = notReached + attempt.Message
		return nil, nil
	}
	rest, taken := last.content.Without(exclusions)
	if taken > 0 && len(rest.Certificates) == 0 {
		attempt.Message = nothingLeft + attempt.Message
		return nil, nil
	}
	next := &good{last.spec, rest, last.excluded + taken}
	attempt.Message += appliedExclusion(next.excluded)
	if taken == 0 {
		return nil, nil
	}
	before, _ := b.registry.current(from.Name)
	revision, err := target.NewRevision(next.spec, rest, before)
	var problems bundle.Problems
	if errors.As(err, &problems) {
		attempt.Message = fmt.Sprintf(notMade, problems) + attempt.Message
		return nil, nil
	}
	changes := attempt.Changes
	attempt.Amended, attempt.Content = true, ledger.NewContent(next.spec, rest)
	attempt.Changes = changes
	return next, revision
}

// appliedExclusion tells what has become of the exclusions.
func appliedExclusion(taken int) string {
	switch taken {
	case 0:
		return "; spec.exclude names nothing that is in the last good bundle"
	case 1:
		return "; spec.exclude is applied all the same: 1 certificate was taken out of the last good bundle"
	}
	return fmt.Sprintf("; spec.exclude is applied all the same: %d certificates were taken out of the last good bundle", taken)
}
