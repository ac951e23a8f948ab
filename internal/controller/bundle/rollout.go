package bundle

import (
	"context"
	"errors"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/controller/metadata"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/workqueue"
)

// startRollout activates a revision and enqueues all its targets. The revision is active
// before the namespaces are listed: the event of a namespace that is created later finds
// it.
func (r *Reconciler) startRollout(ctx context.Context, id bundle.ID, revision *target.Revision) error {
	before, _ := r.revisions.Get(id)
	number := r.revisions.Set(id, revision)
	namespaces, noNamespaces := r.namespaces(ctx, revision)
	existing, noTargets := r.listExisting(ctx, id)
	if err := errors.Join(noNamespaces, noTargets); err != nil {
		r.revisions.Restore(id, before)
		return err
	}
	present := make(map[target.Key]struct{}, len(existing))
	for _, key := range existing {
		present[key] = struct{}{}
	}
	var wanted []target.Ref
	var missing []target.Key
	for kind := range revision.Shapes {
		for _, namespace := range namespaces {
			key := target.KeyOf(id, kind, namespace)
			wanted = append(wanted, key.Ref)
			if _, ok := present[key]; !ok {
				missing = append(missing, key)
			}
		}
	}
	r.ledger.StartRollout(id, number, wanted, r.clock.Now())
	r.targetPool.Enqueue(workqueue.DefaultPriority, missing...)
	r.targetPool.Enqueue(priorityOfExisting(before), existing...)
	log.FromContext(ctx).Info("A new revision of the bundle is rolled out", "bundle", id.Name, "targets", len(wanted))
	return nil
}

// priorityOfExisting returns the priority of targets that exist: after a start they are
// most likely in sync, and only have to be verified.
func priorityOfExisting(before *target.Revision) int {
	if before == nil {
		return workqueue.LowPriority
	}
	return workqueue.DefaultPriority
}

// namespaces returns the namespaces that a revision selects, that the operator may write
// to, and that are not terminating.
func (r *Reconciler) namespaces(ctx context.Context, revision *target.Revision) ([]string, error) {
	list, err := metadata.Namespaces(ctx, r.objects, client.MatchingLabelsSelector{Selector: revision.Namespaces})
	var names []string
	for i := range list {
		if list[i].DeletionTimestamp == nil && r.scope.HasNamespace(list[i].Name) {
			names = append(names, list[i].Name)
		}
	}
	return names, err
}

// listExisting returns the targets of a bundle that exist, by a lookup in the cache for
// each namespace: an index would take a quarter of all the memory that a target takes. A
// target in a namespace that is not cached yet has an event of its own, and so has the
// namespace.
func (r *Reconciler) listExisting(ctx context.Context, id bundle.ID) ([]target.Key, error) {
	list, err := metadata.Namespaces(ctx, r.objects)
	if err != nil {
		return nil, err
	}
	marks := r.apis.Of(id.Kind).Marks()
	var keys []target.Key
	for _, kind := range r.scope.Kinds {
		for i := range list {
			namespace := list[i].Name
			if !r.scope.HasNamespace(namespace) {
				continue
			}
			obj, err := metadata.Get(ctx, r.targets, target.TypeOf(kind).GVK, namespace, id.Name)
			if err != nil {
				return nil, err
			}
			if obj != nil && marks.Has(obj) {
				keys = append(keys, target.KeyOf(id, kind, namespace))
			}
		}
	}
	return keys, nil
}

// onDeleted handles what a deleted Bundle leaves behind that garbage collection does not
// remove: its part of the objects that it shared with other writers.
func (r *Reconciler) onDeleted(ctx context.Context, id bundle.ID) error {
	r.drop(id)
	keys, err := r.listExisting(ctx, id)
	r.targetQueue.Add(workqueue.DefaultPriority, keys...)
	return err
}
