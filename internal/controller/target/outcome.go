package target

import (
	"context"
	"errors"

	"sigs.k8s.io/controller-runtime/pkg/log"

	"trust-manager.io/internal/request"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/workqueue"
)

// recordOutcome records in the ledger what has become of a target. It returns the error
// if the target should be retried.
func (r *Reconciler) recordOutcome(ctx context.Context, key target.Key, desired *desiredState, err error) error {
	if isNamespaceEnd(err) {
		return r.recordTerminating(ctx, key, desired, err)
	}
	r.terminations.forget(key)
	var changed bool
	switch {
	case errors.Is(err, errUnconfirmed):
		return nil
	case errors.Is(err, errGone):
		return r.recordUnavailable(key, desired, errGone)
	case err != nil:
		changed = r.ledger.Failed(key.Bundle, desired.revision, key.Ref, explain(key, err))
	case desired.isWanted() && desired.Shape.Refused != nil:
		// It holds what it should for now. Only another revision helps.
		changed = r.ledger.Failed(key.Bundle, desired.revision, key.Ref, desired.Shape.Refused.Error())
	case desired.isWanted():
		if wait := r.conflicts.quietFor(key, r.clock.Now()); wait > 0 {
			r.queue.AddAfter(workqueue.LowPriority, wait, key)
			return nil
		}
		changed = r.ledger.Synced(key.Bundle, desired.revision, key.Ref)
	default:
		changed = r.ledger.Forget(key.Bundle, key.Ref)
	}
	if changed {
		r.statuses.AddAfter(workqueue.DefaultPriority, statusDelay, key.Bundle)
	}
	return err
}

// explain returns the cause of a failure, after what to do about it if that is known: the end of a
// long text is cut in a status.
func explain(key target.Key, err error) string {
	cause := request.Explain(err)
	if remedy := target.TypeOf(key.Kind).Remedy(key.Name, err); remedy != "" {
		return remedy + ": " + cause
	}
	return cause
}

// errGone reports that the API server has ceased to serve a kind, before the watch has noticed it.
var errGone = errors.New("the API server does not serve the kind any more")

// recordUnavailable records that the API server does not serve the kind of a target. If it is
// wanted, it is tried again, and otherwise there is nothing to release.
func (r *Reconciler) recordUnavailable(key target.Key, desired *desiredState, err error) error {
	r.forget(key)
	if !desired.isWanted() {
		r.ledger.Forget(key.Bundle, key.Ref)
		return nil
	}
	if r.ledger.Unavailable(key.Bundle, desired.revision, key.Ref, err.Error()) {
		r.statuses.AddAfter(workqueue.DefaultPriority, statusDelay, key.Bundle)
	}
	return workqueue.RetryWithin(obstacleRetry, err)
}

// logFailedRelease logs a failure that no status can report, since its Bundle is gone.
func (r *Reconciler) logFailedRelease(ctx context.Context, key target.Key, desired *desiredState, err error) {
	if err == nil || !desired.BundleDeleted || errors.Is(err, errUnconfirmed) {
		return
	}
	log.FromContext(ctx).Info("The content of a deleted Bundle cannot be removed from an object that it does not own; this is retried",
		"target", key.String(), "cause", request.Explain(err))
}

// forget drops everything that is recorded of a target.
func (r *Reconciler) forget(key target.Key) {
	r.obstacles.Delete(key)
	r.terminations.forget(key)
	r.conflicts.forget(key)
	r.observations.Forget(key)
}

// leave forgets a target whose namespace is terminating or gone: its content goes with
// the namespace.
func (r *Reconciler) leave(key target.Key) {
	r.forget(key)
	if r.ledger.Forget(key.Bundle, key.Ref) {
		r.statuses.Add(workqueue.DefaultPriority, key.Bundle)
	}
}
