package target

import (
	"context"
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/controller/watch"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/workqueue"
)

type object = *metav1.PartialObjectMetadata

// namespaceEvents enqueues the targets in a namespace that is new or gone, or that bundles
// select or no longer select because its labels have changed.
func (r *Reconciler) namespaceEvents() handler.TypedEventHandler[object, target.Key] {
	return watch.Handler[object, target.Key](func(_ context.Context, change watch.Change[object]) {
		before, after, namespace := change.Before, change.After, change.Object().Name
		updated := !change.Created && !change.Deleted
		if updated && isSameNamespace(before, after) || !r.scope.HasNamespace(namespace) {
			return
		}
		priority := workqueue.HighPriority
		if change.Initial {
			// The start of a rollout enqueues all namespaces; this is for those that were
			// created just before the watch began.
			priority = workqueue.LowPriority
		}
		for id, revision := range r.revisions.All() {
			// A different UID means that the namespace was re-created and the watch missed
			// its deletion: the targets are gone.
			if updated && before.UID == after.UID && after.DeletionTimestamp == nil &&
				selects(revision, before) == selects(revision, after) {
				continue
			}
			for kind, shape := range revision.Shapes {
				if target.TypeOf(kind).ClusterScoped {
					continue
				}
				r.queue.Add(priority, shape.KeyOf(id, namespace))
			}
		}
	})
}

func selects(revision *target.Revision, namespace object) bool {
	return revision.Namespaces.Matches(labels.Set(namespace.Labels))
}

func isSameNamespace(a, b object) bool {
	return a.UID == b.UID && (a.DeletionTimestamp == nil) == (b.DeletionTimestamp == nil) && maps.Equal(a.Labels, b.Labels)
}

// targetEvents enqueues a target of a kind when its object changes, among the objects that
// carry the label of an API kind.
func (r *Reconciler) targetEvents(marks *bundle.Marks, kind bundle.Kind) handler.TypedEventHandler[object, target.Key] {
	return watch.Handler[object, target.Key](func(_ context.Context, change watch.Change[object]) {
		key, ok := target.KeyOfObject(marks, kind, change.Object())
		if !ok && !change.Created {
			key, ok = target.KeyOfObject(marks, kind, change.Before) // the label has changed
		}
		if !ok {
			return
		}
		r.onTargetChange(key, change)
		peer := key.Ref.Of(key.Bundle.Peer())
		if revision, _ := r.revisions.Get(peer.Bundle); revision != nil { // whose target it is, or becomes
			r.queue.Add(workqueue.LowPriority, peer)
		}
	})
}

// OnDiscoveredChange enqueues the targets that an object is, was or should be, among those of a
// kind whose version is discovered. All objects of the kind are watched: one without a label may
// be in the way of a target.
func (r *Reconciler) OnDiscoveredChange(kind bundle.Kind, change watch.Change[object]) {
	ref := target.Ref{Kind: kind, Name: change.Object().Name}
	for _, adapter := range r.apis {
		marks := adapter.Marks()
		key := ref.Of(bundle.ID{Kind: marks.Kind, Name: bundle.BundleName(ref.Name)})
		if !change.Created && !change.Deleted && marks.Has(change.Before) && !marks.Has(change.After) {
			r.observations.RecordDelete(key, change.After.ResourceVersion) // as a watch of the label reports it
		}
		revision, _ := r.revisions.Get(key.Bundle)
		if revision.Wants(ref, nil) || !change.Deleted && marks.Has(change.After) || !change.Created && marks.Has(change.Before) {
			r.onTargetChange(key, change)
		}
	}
}

// OnDiscovered enqueues all targets of a kind, since the API server has begun or ceased to serve
// it.
func (r *Reconciler) OnDiscovered(kind bundle.Kind, existing []object) {
	for id, revision := range r.revisions.All() {
		if shape := revision.Shapes[kind]; shape != nil {
			r.queue.Add(workqueue.HighPriority, shape.KeyOf(id, ""))
		}
	}
	for _, obj := range existing {
		r.OnDiscoveredChange(kind, watch.Change[object]{After: obj, Created: true, Initial: true})
	}
}

func (r *Reconciler) onTargetChange(key target.Key, change watch.Change[object]) {
	if change.Initial {
		r.queue.Add(workqueue.LowPriority, key)
		return
	}
	if change.Deleted {
		version := change.Before.ResourceVersion
		if change.StateUnknown {
			version = ""
		}
		r.observations.RecordDelete(key, version)
	}
	r.queue.Add(r.priorities.next(groupOf(key)), key)
}
