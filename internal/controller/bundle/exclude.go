package bundle

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

// Prefixes of a message while a bundle cannot be built. A user who excludes a CA in an
// emergency must not believe that it is gone if it is not.
const (
	warnNoBundle = "WARNING: spec.exclude has not reached the targets: no bundle has been built since the operator started, " +
		"so there is no bundle to remove certificates from; resolve this first: "
	warnNothingLeft = "WARNING: what spec.exclude names is still in the targets: nothing else would be left, and an empty bundle is never written; " +
		"add a source, or delete the Bundle with its targets: "
	warnEndedStays = "WARNING: what is no longer retained is still in the targets: nothing else would be left, and an empty bundle is never written; " +
		"add a source, or exclude it: "
	warnNotBuilt = "WARNING: spec.exclude has not reached the targets: the last good bundle cannot be built without what is excluded (%v): "
)

// withoutExcluded removes from the last good bundle what must not stay in it, after the attempt
// to build another one has failed: what the Bundle excludes, and what is no longer
// retained. Neither waits for a source. The content of the targets is otherwise that of
// the last revision, and the message of the attempt reports what was removed. The outcome
// has a revision only if something is removed.
func (r *Reconciler) withoutExcluded(ctx context.Context, s *session, obj *v1alpha1.Bundle, out *outcome) error {
	exclusions, _ := bundle.Exclusions(obj) // faults in them are among the problems already
	attempt := &out.attempt
	switch {
	case obj.Spec.Target == nil:
		return nil
	case s.last == nil:
		if len(exclusions) > 0 {
			attempt.Message = warnNoBundle + attempt.Message
		}
		return nil
	}
	rotation := s.last.spec.Rotation
	if wanted := bundle.RotationFromV1alpha1(obj.Spec); wanted.Retain < rotation.Retain {
		rotation = wanted // a retention that is shortened does not wait for a source
	}
	ended, err := r.retentionEnded(ctx, s, obj, rotation)
	if err != nil {
		return err
	}
	next := *s.last
	rest, excluded, over := s.last.content.Without(exclusions, ended)
	if over > 0 && len(rest.Certificates) == 0 {
		// What is excluded has to go, whatever happens to what is no longer retained.
		attempt.Message = warnEndedStays + attempt.Message
		rest, excluded, over = s.last.content.Without(exclusions, func(*certs.Certificate) bool { return false })
	}
	if excluded > 0 && len(rest.Certificates) == 0 {
		attempt.Message = warnNothingLeft + attempt.Message
		return nil
	}
	next.content, next.excluded, next.ended = rest, s.last.excluded+excluded, s.last.ended+over
	next.state.Retained = rest.Retained
	for _, retained := range rest.Retained {
		out.validUntil = append(out.validUntil, rotation.Until(retained))
	}
	attempt.Message += next.removed(len(exclusions) > 0)
	if excluded+over == 0 {
		return nil
	}
	return r.amend(obj.Name, &next, out)
}

// amend makes a build that was derived from the last one the outcome.
func (r *Reconciler) amend(name string, next *build, out *outcome) error {
	active, _ := r.revisions.Get(name)
	revision, err := target.NewRevision(next.spec, next.content, active)
	var problems bundle.Problems
	if errors.As(err, &problems) {
		out.attempt.Message = fmt.Sprintf(warnNotBuilt, problems) + out.attempt.Message
		return nil
	}
	if err != nil {
		return err
	}
	out.attempt.Amended, out.attempt.Content = true, ledger.NewContent(next.spec, next.content)
	out.build, out.revision = next, revision
	return nil
}

// removed describes what was removed from the last good bundle.
func (b *build) removed(excluding bool) string {
	var message string
	switch {
	case b.excluded > 0:
		message = "; spec.exclude is applied all the same: " + counted(b.excluded) + " removed from the last good bundle"
	case excluding:
		message = "; spec.exclude names nothing that is in the last good bundle"
	}
	if b.ended > 0 {
		message += "; " + counted(b.ended) + " removed from the last good bundle because the retention has ended"
	}
	return message
}

func counted(certificates int) string {
	if certificates == 1 {
		return "1 certificate was"
	}
	return fmt.Sprintf("%d certificates were", certificates)
}
