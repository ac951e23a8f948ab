package bundle

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/ledger"
	"trust-manager.io/internal/workqueue"
)

// yield reports whether a Bundle does nothing because of the one of another API kind that has
// its name. A superseded one forgets what it knows: its targets are the other one's.
func (r *Reconciler) yield(ctx context.Context, id bundle.ID, obj client.Object) (isInert bool, err error) {
	superior, ok := id.Superior()
	if !ok || r.apis.Of(superior.Kind) == nil {
		return false, nil
	}
	rival, err := r.rival(ctx, superior)
	if err != nil {
		return false, err
	}
	switch bundle.StandingBeside(rival) {
	case bundle.Active:
		return false, nil
	case bundle.Waiting:
		active, _ := r.revisions.Get(id)
		return active == nil, nil // the other one enqueues this one once it has been tried
	case bundle.Superseded:
	}
	r.sessions.delete(id)
	r.revisions.Delete(id)
	r.revisions.ClearOrphaned(id)
	if r.ledger.RecordSuperseded(id, ledger.Attempt{UID: string(obj.GetUID()), Generation: obj.GetGeneration(), SupersededBy: superior}) {
		log.FromContext(ctx).Info("The Bundle is superseded", "bundle", id.String(), "by", superior.String())
		keys, err := r.listExisting(ctx, superior, r.scope.Kinds) // some may be here only because this Bundle wanted them too
		if err != nil {
			return true, err
		}
		r.targetQueue.Add(workqueue.LowPriority, keys...)
	}
	r.statuses.Add(workqueue.DefaultPriority, id)
	return true, nil
}

// rival describes a superior bundle, or returns nil if it does not exist.
func (r *Reconciler) rival(ctx context.Context, id bundle.ID) (*bundle.Rival, error) {
	adapter := r.apis.Of(id.Kind)
	obj := adapter.New()
	err := r.objects.Get(ctx, id.NamespacedName(), obj)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	active, _ := r.revisions.Get(id)
	spec, _ := adapter.Spec(obj)
	report := adapter.Report(obj)
	isBuilt := active.HasTargets() || report.Digest != "" || report.Targets != nil && report.Targets.Wanted > 0
	if !isBuilt && report.ObservedGeneration == 0 {
		// An older definition has no such fields, and no generation either: a new object of the
		// current one has -1. Its targets show that it was active.
		keys, err := r.listExisting(ctx, id, r.scope.Kinds)
		if err != nil {
			return nil, err
		}
		isBuilt = len(keys) > 0
	}
	summary, isTried := r.ledger.Summary(id)
	return &bundle.Rival{
		HasTarget: len(spec.Targets) > 0 || active.HasTargets(),
		IsBuilt:   isBuilt,
		IsTried:   isTried && summary.Attempt.UID == string(obj.GetUID()),
		IsDeleted: obj.GetDeletionTimestamp() != nil,
	}, nil
}

// enqueueInferior enqueues the bundle that a bundle supersedes, if it exists: its standing may
// change.
func (r *Reconciler) enqueueInferior(ctx context.Context, id bundle.ID) {
	inferior, ok := id.Inferior()
	if !ok || r.apis.Of(inferior.Kind) == nil {
		return
	}
	if err := r.objects.Get(ctx, inferior.NamespacedName(), r.apis.Of(inferior.Kind).New()); !apierrors.IsNotFound(err) {
		r.queue.Add(workqueue.HighPriority, inferior)
	}
}
