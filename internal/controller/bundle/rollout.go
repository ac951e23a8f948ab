package bundle

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/controller/metadata"
	"trust-manager.io/internal/ledger"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/workqueue"
)

// startRollout activates a revision and enqueues all of its targets. It activates the
// revision before it lists the namespaces, so that the event of a namespace that is created
// later finds the new revision, and records the attempt before it enqueues the targets, whose
// outcomes are reported together with it.
func (r *Reconciler) startRollout(ctx context.Context, id bundle.ID, revision *target.Revision, attempt ledger.Attempt) error {
	before, _ := r.revisions.Get(id)
	number := r.revisions.Set(id, revision)
	if number == 0 {
		return nil // superseded in the meantime, and enqueued for that
	}
	namespaces, namespacesErr := r.namespaces(ctx, revision)
	kinds, otherKinds := r.split(revision)
	existing, existingErr := r.listExisting(ctx, id, kinds)
	if err := errors.Join(namespacesErr, existingErr); err != nil {
		r.revisions.Restore(id, before)
		return err
	}
	present := make(map[target.Key]struct{}, len(existing))
	for _, key := range existing {
		present[key] = struct{}{}
	}
	var wanted []target.Ref
	var missing []target.Key
	for kind, shape := range revision.Shapes {
		for _, namespace := range target.TypeOf(kind).Places(namespaces) {
			key := shape.KeyOf(id, namespace)
			wanted = append(wanted, key.Ref)
			if _, ok := present[key]; !ok {
				missing = append(missing, key)
			}
		}
	}
	r.ledger.StartRollout(id, number, wanted, r.clock.Now())
	// Not earlier: the targets of the previous revision would count as those of this one.
	r.ledger.RecordBuild(id, attempt)
	r.targetPool.Enqueue(workqueue.DefaultPriority, missing...)
	r.targetPool.Enqueue(priorityOfExisting(before), existing...)
	// What is no longer wanted comes last, since finding it takes a lookup in each namespace.
	unwanted, err := r.listExisting(ctx, id, otherKinds)
	if err != nil {
		r.revisions.Restore(id, before)
		return err
	}
	r.targetPool.Enqueue(priorityOfExisting(before), unwanted...)
	log.FromContext(ctx).Info("A new revision of the bundle is rolled out", "bundle", id.Name, "targets", len(wanted))
	return nil
}

// priorityOfExisting returns the priority of existing targets. It is low if this process had
// no revision before: after a restart, targets are most likely in sync and only have to be
// verified.
func priorityOfExisting(before *target.Revision) int {
	if before == nil {
		return workqueue.LowPriority
	}
	return workqueue.DefaultPriority
}

// split returns the enabled kinds of which a revision has targets, and the others.
func (r *Reconciler) split(revision *target.Revision) (wanted, others []bundle.Kind) {
	for _, kind := range r.scope.Kinds {
		if revision.Shapes[kind] != nil {
			wanted = append(wanted, kind)
		} else {
			others = append(others, kind)
		}
	}
	return wanted, others
}

// hasNamespaced reports whether any of the kinds is namespaced.
func hasNamespaced(kinds iter.Seq[bundle.Kind]) bool {
	for kind := range kinds {
		if !target.TypeOf(kind).ClusterScoped {
			return true
		}
	}
	return false
}

// namespaces returns the namespaces that a revision selects, except those that are outside
// the operator's scope or terminating.
func (r *Reconciler) namespaces(ctx context.Context, revision *target.Revision) ([]string, error) {
	if !hasNamespaced(maps.Keys(revision.Shapes)) {
		return nil, nil
	}
	list, err := metadata.Namespaces(ctx, r.objects, client.MatchingLabelsSelector{Selector: revision.Namespaces})
	var names []string
	for i := range list {
		if list[i].DeletionTimestamp == nil && r.scope.HasNamespace(list[i].Name) {
			names = append(names, list[i].Name)
		}
	}
	return names, err
}

// listExisting returns the existing targets of a bundle, of some kinds. It looks up each namespace in the
// cache, because an index would account for a quarter of the memory per target. A target
// whose namespace is not in the cache yet is enqueued later, by its own event and by that of
// the namespace.
func (r *Reconciler) listExisting(ctx context.Context, id bundle.ID, kinds []bundle.Kind) ([]target.Key, error) {
	var namespaces []string
	if hasNamespaced(slices.Values(kinds)) {
		list, err := metadata.Namespaces(ctx, r.objects)
		if err != nil {
			return nil, err
		}
		for i := range list {
			if r.scope.HasNamespace(list[i].Name) {
				namespaces = append(namespaces, list[i].Name)
			}
		}
	}
	adapter := r.apis.Of(id.Kind)
	if adapter == nil {
		return nil, nil
	}
	marks := adapter.Marks()
	var keys []target.Key
	for _, kind := range kinds {
		if target.TypeOf(kind).ClusterScoped {
			named, err := r.listNamed(ctx, id, kind, marks)
			if err != nil {
				return nil, err
			}
			keys = append(keys, named...)
			continue
		}
		for _, namespace := range namespaces {
			obj, err := metadata.Get(ctx, r.targets[id.Kind], target.TypeOf(kind).GVK, namespace, id.Name)
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

// listNamed returns the existing targets of a bundle of a kind that is cluster-scoped. Their names
// may differ from that of the bundle.
func (r *Reconciler) listNamed(ctx context.Context, id bundle.ID, kind bundle.Kind, marks *bundle.Marks) (keys []target.Key, err error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(target.TypeOf(kind).GVK)
	err = r.targets[id.Kind].List(ctx, list, client.MatchingLabels{marks.Label: id.Name})
	for i := range list.Items {
		if key, ok := target.KeyOfObject(marks, kind, &list.Items[i]); ok {
			keys = append(keys, key)
		}
	}
	return keys, err
}

// onDeleted drops a deleted Bundle and enqueues its existing targets. Garbage collection
// does not remove the Bundle's keys from objects that it shared with other writers.
func (r *Reconciler) onDeleted(ctx context.Context, id bundle.ID) error {
	r.drop(id)
	r.enqueueInferior(ctx, id)
	keys, err := r.listExisting(ctx, id, r.scope.Kinds)
	rest, restErr := r.listExisting(ctx, id.Peer(), r.scope.Kinds)
	r.targetQueue.Add(workqueue.DefaultPriority, slices.Concat(keys, rest)...)
	return errors.Join(err, restErr)
}
