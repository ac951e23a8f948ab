package controller

import (
	"context"
	"errors"
	"fmt"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
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
	endedStays = "WARNING: what is retained no longer IS STILL IN THE TARGETS: nothing else would be left, and an empty bundle is never written; " +
		"add a source, or exclude it: "
	notMade = "WARNING: spec.exclude HAS NOT REACHED THE TARGETS: the last good bundle cannot be made without what is excluded (%v): "
)

// distrust takes what must not stay out of the last good bundle, after the attempt to
// build another has failed: what the Bundle excludes, and what was retained and is no
// longer. Neither waits for a source. The shape stays that of the last good revision,
// and the message of the attempt tells. Nothing is given where nothing has to be taken
// out, or nothing can.
func (b *bundles) distrust(ctx context.Context, from *v1alpha1.Bundle, attempt *ledger.Attempt) (*good, *target.Revision, error) {
	exclusions, _ := bundle.Exclusions(from) // what is wrong with one is among the problems already
	last := b.registry.lastGood(from.Name)
	switch {
	case from.Spec.Target == nil:
		return nil, nil, nil
	case last == nil:
		if len(exclusions) > 0 {
			attempt.Message = notReached + attempt.Message
		}
		return nil, nil, nil
	}
	rotation := last.spec.Rotation
	if wanted := bundle.RotationFromV1alpha1(from.Spec); wanted.Retain < rotation.Retain {
		rotation = wanted // to end a retention sooner does not wait for a source
	}
	ended, err := b.ended(ctx, last, rotation)
	if err != nil {
		return nil, nil, err
	}
	next := *last
	rest, excluded, over := last.content.Without(exclusions, ended)
	if over > 0 && len(rest.Certificates) == 0 {
		// What is excluded has to go whatever becomes of what is retained no longer.
		attempt.Message = endedStays + attempt.Message
		rest, excluded, over = last.content.Without(exclusions, func(*certs.Certificate) bool { return false })
	}
	if excluded > 0 && len(rest.Certificates) == 0 {
		attempt.Message = nothingLeft + attempt.Message
		return nil, nil, nil
	}
	next.content, next.excluded, next.ended = rest, last.excluded+excluded, last.ended+over
	next.state.Retained = rest.Retained
	for _, one := range rest.Retained {
		b.awaitChange(from.Name, rotation.Until(one))
	}
	attempt.Message += next.taken(len(exclusions) > 0)
	if excluded+over == 0 {
		return nil, nil, nil
	}
	before, _ := b.registry.current(from.Name)
	revision, err := target.NewRevision(next.spec, rest, before)
	var problems bundle.Problems
	if errors.As(err, &problems) {
		attempt.Message = fmt.Sprintf(notMade, problems) + attempt.Message
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	attempt.Amended, attempt.Content = true, ledger.NewContent(next.spec, rest)
	return &next, revision, nil
}

// taken tells what was taken out of the last good bundle.
func (g *good) taken(excluding bool) string {
	var told string
	switch {
	case g.excluded > 0:
		told = "; spec.exclude is applied all the same: " + counted(g.excluded) + " taken out of the last good bundle"
	case excluding:
		told = "; spec.exclude names nothing that is in the last good bundle"
	}
	if g.ended > 0 {
		told += "; " + counted(g.ended) + " taken out of it because it is retained no longer"
	}
	return told
}

func counted(certificates int) string {
	if certificates == 1 {
		return "1 certificate was"
	}
	return fmt.Sprintf("%d certificates were", certificates)
}
