package bundle

import (
	"context"
	"errors"
	"fmt"
	"slices"

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

// reduce removes from the last good bundle what must not stay in it, after the attempt to
// build another one has failed: what the Bundle excludes, and what is no longer retained.
// Neither waits for a source. The content of the targets is otherwise that of the last
// revision, and the message of the attempt reports what was removed. The outcome has a
// revision only if something is removed.
func (r *Reconciler) reduce(ctx context.Context, s *session, spec bundle.Spec, out *outcome) error {
	exclusions := spec.Filter.Exclude // invalid ones are among the problems already
	attempt := &out.attempt
	switch {
	case len(spec.Targets) == 0:
		return nil
	case s.last == nil:
		if len(exclusions) > 0 {
			attempt.Message = warnNoBundle + attempt.Message
		}
		return nil
	}
	rotation := s.last.Spec.Rotation
	if spec.Rotation.Retain < rotation.Retain {
		rotation = spec.Rotation // a retention that is shortened does not wait for a source
	}
	ended, err := r.retentionEnded(ctx, s, rotation)
	if err != nil {
		return err
	}
	next := *s.last
	rest, excluded, over := s.last.Content.Without(exclusions, ended)
	if over > 0 && len(rest.Certificates) == 0 {
		// What is excluded has to go, whatever happens to what is no longer retained.
		attempt.Message = warnEndedStays + attempt.Message
		rest, excluded, over = s.last.Content.Without(exclusions, func(*certs.Certificate) bool { return false })
	}
	if excluded > 0 && len(rest.Certificates) == 0 {
		attempt.Message = warnNothingLeft + attempt.Message
		return nil
	}
	next.Content, next.excluded, next.ended = rest, s.last.excluded+excluded, s.last.ended+over
	next.State.Retained = rest.Retained
	for _, retained := range rest.Retained {
		out.validUntil = append(out.validUntil, rotation.Until(retained))
	}
	attempt.Message += next.removed(len(exclusions) > 0)
	if excluded+over == 0 {
		return nil
	}
	return r.activateReduced(spec.ID, &next, out)
}

// retentionEnded returns a function that reports whether a certificate of the last bundle
// was retained and no longer is, because its time has passed or a user has ended it.
func (r *Reconciler) retentionEnded(ctx context.Context, s *session, rotation bundle.Rotation) (func(*certs.Certificate) bool, error) {
	retained := s.last.Content.Retained
	if len(retained) == 0 {
		return func(*certs.Certificate) bool { return false }, nil
	}
	record, err := s.rotation.Load(ctx, s.lastState())
	if err != nil {
		return nil, err
	}
	now := r.clock.Now()
	return func(certificate *certs.Certificate) bool {
		at := slices.IndexFunc(retained, func(entry bundle.Retained) bool { return entry.Certificate.Fingerprint == certificate.Fingerprint })
		// The cache may not have what was written last.
		return at >= 0 && (!record.Has(certificate.Fingerprint) || now.After(rotation.Until(retained[at])))
	}, nil
}

// activateReduced makes a build that was derived from the last one the outcome.
func (r *Reconciler) activateReduced(id bundle.ID, next *activeBuild, out *outcome) error {
	active, _ := r.revisions.Get(id)
	revision, err := target.NewRevision(next.Spec, next.Content, active)
	var problems bundle.Problems
	if errors.As(err, &problems) {
		out.attempt.Message = fmt.Sprintf(warnNotBuilt, problems) + out.attempt.Message
		return nil
	}
	if err != nil {
		return err
	}
	out.attempt.Reduced, out.attempt.Content = true, ledger.NewContent(next.Spec, next.Content, revision.PEMDigest())
	next.Revision = revision
	out.active, out.revision = next, revision
	return nil
}

// removed describes what was removed from the last good bundle.
func (b *activeBuild) removed(excluding bool) string {
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
