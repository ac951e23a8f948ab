package bundle

import (
	"context"
	"errors"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"trust-manager.io/internal/controller/metadata"
	"trust-manager.io/internal/ledger"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/workqueue"
)

// startRollout activates a revision and enqueues all its targets. The revision is active
// before the namespaces are listed: the event of a namespace that is created later finds
// it.
func (r *Reconciler) startRollout(ctx context.Context, name string, revision *target.Revision) error {
	before, _ := r.revisions.Get(name)
	number := r.revisions.Set(name, revision)
	namespaces, noNamespaces := r.namespaces(ctx, revision)
	existing, noTargets := r.listExisting(ctx, name)
	if err := errors.Join(noNamespaces, noTargets); err != nil {
		r.revisions.Restore(name, before)
		return err
	}
	present := make(map[target.Key]struct{}, len(existing))
	for _, key := range existing {
		present[key] = struct{}{}
	}
	var wanted []ledger.Place
	var missing []target.Key
	for kind := range revision.Shapes {
		for _, namespace := range namespaces {
			key := target.Key{Bundle: name, Kind: kind, Namespace: namespace}
			wanted = append(wanted, ledger.Place{Kind: kind, Namespace: namespace})
			if _, ok := present[key]; !ok {
				missing = append(missing, key)
			}
		}
	}
	r.ledger.Begin(name, number, wanted, r.clock.Now())
	r.targetPool.Enqueue(workqueue.DefaultPriority, missing...)
	r.targetPool.Enqueue(priorityOfExisting(before), existing...)
	log.FromContext(ctx).Info("A new revision of the bundle is rolled out", "bundle", name, "targets", len(wanted))
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
func (r *Reconciler) listExisting(ctx context.Context, name string) ([]target.Key, error) {
	list, err := metadata.Namespaces(ctx, r.objects)
	if err != nil {
		return nil, err
	}
	var keys []target.Key
	for _, kind := range r.scope.Kinds {
		for i := range list {
			namespace := list[i].Name
			if !r.scope.HasNamespace(namespace) {
				continue
			}
			obj, err := metadata.Get(ctx, r.targets, metadata.OfKind(kind), namespace, name)
			if err != nil {
				return nil, err
			}
			if obj != nil && metadata.BundleOf(obj) != "" {
				keys = append(keys, target.Key{Bundle: name, Kind: kind, Namespace: namespace})
			}
		}
	}
	return keys, nil
}

// onDeleted handles what a deleted Bundle leaves behind that garbage collection does not
// remove: its part of the objects that it shared with other writers.
func (r *Reconciler) onDeleted(ctx context.Context, name string) error {
	r.drop(name)
	keys, err := r.listExisting(ctx, name)
	r.targetQueue.Add(workqueue.DefaultPriority, keys...)
	return err
}
