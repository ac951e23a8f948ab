package controller

import (
	"context"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	clientqueue "k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/retention"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/workqueue"
)

// listener hears of each change of an object. before is nil for one that is
// new, after for one that is gone. initial says that the object was there when
// watching began, and missed that its end was not seen.
type listener[object client.Object] func(ctx context.Context, before, after *object, initial, missed bool)

// listen makes an event handler of a listener. The queue that a handler is
// given is the controller's own; listeners know the queues they add to.
func listen[object client.Object, request comparable](hear listener[object]) handler.TypedEventHandler[object, request] {
	type queue = clientqueue.TypedRateLimitingInterface[request]
	return handler.TypedFuncs[object, request]{
		CreateFunc: func(ctx context.Context, e event.TypedCreateEvent[object], _ queue) {
			hear(ctx, nil, &e.Object, e.IsInInitialList, false)
		},
		UpdateFunc: func(ctx context.Context, e event.TypedUpdateEvent[object], _ queue) {
			hear(ctx, &e.ObjectOld, &e.ObjectNew, false, false)
		},
		DeleteFunc: func(ctx context.Context, e event.TypedDeleteEvent[object], _ queue) {
			hear(ctx, &e.Object, nil, false, e.DeleteStateUnknown)
		},
	}
}

// bundleEvents has a Bundle built when its spec changes, and looks after its
// status when anything does.
func bundleEvents(env *environment) handler.TypedEventHandler[*v1alpha1.Bundle, string] {
	return listen[*v1alpha1.Bundle, string](func(_ context.Context, before, after **v1alpha1.Bundle, _, _ bool) {
		if after == nil {
			env.bundles.Add(workqueue.HighPriority, (*before).Name)
			env.statuses.Add(workqueue.DefaultPriority, (*before).Name)
			return
		}
		object := *after
		if object.DeletionTimestamp != nil && slices.Contains(object.Finalizers, metav1.FinalizerOrphanDependents) {
			env.registry.orphan(object.Name)
		}
		if before != nil && (*before).UID == object.UID && (*before).Generation == object.Generation &&
			((*before).DeletionTimestamp == nil) == (object.DeletionTimestamp == nil) {
			env.statuses.Add(workqueue.DefaultPriority, object.Name)
			return
		}
		env.bundles.Add(workqueue.HighPriority, object.Name)
	})
}

// sourceEvents has the Bundles built that read an object of the trust
// namespace, by its name or by its labels as they are or were.
func sourceEvents[object client.Object](env *environment, kind bundle.Kind) handler.TypedEventHandler[object, string] {
	return listen[object, string](func(ctx context.Context, before, after *object, initial, _ bool) {
		if initial {
			return // every Bundle is built at the start anyway
		}
		versions := make([]labels.Set, 0, 2)
		var name string
		for _, version := range []*object{before, after} {
			if version != nil {
				versions = append(versions, (*version).GetLabels())
				name = (*version).GetName()
			}
		}
		if of, ok := retention.BundleOf(name); ok && kind == bundle.ConfigMap {
			env.bundles.Add(workqueue.HighPriority, of) // somebody may have ended a retention
		}
		env.enqueueReaders(ctx, sourceKey(kind, name), nil)
		env.enqueueReaders(ctx, sourceKey(kind, ""), func(from *v1alpha1.Bundle) bool { return selectsAny(from, kind, versions) })
	})
}

// selectsAny says whether a source of the Bundle selects an object of the kind
// with any of these labels. A selector that cannot be used selects nothing: the
// Bundle is not built before it is changed.
func selectsAny(from *v1alpha1.Bundle, kind bundle.Kind, versions []labels.Set) bool {
	spec, err := bundle.FromV1alpha1(from)
	if err != nil {
		return false
	}
	for _, source := range spec.Sources {
		if source.Object != nil && source.Object.Kind == kind && source.Object.Selector != nil &&
			slices.ContainsFunc(versions, func(set labels.Set) bool { return source.Object.Selector.Matches(set) }) {
			return true
		}
	}
	return false
}

// enqueueReaders has the Bundles built that have a source under this entry of
// the sourceIndex and, where it is not nil, are concerned.
func (e *environment) enqueueReaders(ctx context.Context, source string, concerned func(*v1alpha1.Bundle) bool) {
	var readers v1alpha1.BundleList
	// The cache is complete and in memory, so a look-up in its index does not
	// fail.
	if e.objects.List(ctx, &readers, client.MatchingFields{sourceIndex: source}) != nil {
		return
	}
	for i := range readers.Items {
		if concerned == nil || concerned(&readers.Items[i]) {
			e.bundles.Add(workqueue.HighPriority, readers.Items[i].Name)
		}
	}
}

// namespaceEvents has the target of each bundle looked at in a namespace that
// is new or gone, or whose labels make a difference to the bundle.
func namespaceEvents(env *environment) handler.TypedEventHandler[*metav1.PartialObjectMetadata, target.Key] {
	return listen[*metav1.PartialObjectMetadata, target.Key](func(_ context.Context, before, after **metav1.PartialObjectMetadata, initial, _ bool) {
		if before != nil && after != nil && sameNamespace(*before, *after) {
			return
		}
		object := after
		if object == nil {
			object = before
		}
		if !env.reaches((*object).Name) {
			return
		}
		priority := workqueue.HighPriority
		if initial {
			// A bundle that is rolled out looks at all namespaces; this is for
			// those that came just before watching began.
			priority = workqueue.LowPriority
		}
		for name, revision := range env.registry.all() {
			// One UID: an end that the watch has missed took the targets along.
			if before != nil && after != nil && (*before).UID == (*after).UID &&
				(*after).DeletionTimestamp == nil && selects(revision, *before) == selects(revision, *after) {
				continue
			}
			for kind := range revision.Shapes {
				env.targets.Add(priority, target.Key{Bundle: name, Kind: kind, Namespace: (*object).Name})
			}
		}
	})
}

func selects(revision *target.Revision, namespace *metav1.PartialObjectMetadata) bool {
	return revision.Namespaces.Matches(labels.Set(namespace.Labels))
}

func sameNamespace(a, b *metav1.PartialObjectMetadata) bool {
	return a.UID == b.UID && (a.DeletionTimestamp == nil) == (b.DeletionTimestamp == nil) && maps.Equal(a.Labels, b.Labels)
}

// targetEvents has a target of the kind looked at when its object changes.
func targetEvents(env *environment, memory *memory, kind bundle.Kind) handler.TypedEventHandler[*metav1.PartialObjectMetadata, target.Key] {
	urgency := newUrgency(env.clock)
	return listen[*metav1.PartialObjectMetadata, target.Key](func(_ context.Context, before, after **metav1.PartialObjectMetadata, initial, missed bool) {
		object := after
		if object == nil {
			object = before
		}
		names := bundleOf(*object)
		if before != nil && len(names) == 0 {
			names = bundleOf(*before) // somebody has changed the label
		}
		for _, name := range names {
			key := target.Key{Bundle: name, Kind: kind, Namespace: (*object).Namespace}
			switch {
			case initial:
				env.targets.Add(workqueue.LowPriority, key)
				continue
			case after == nil && missed:
				memory.vanish(key, "")
			case after == nil:
				memory.vanish(key, (*object).ResourceVersion)
			}
			env.targets.Add(urgency.take(key.Namespace), key)
		}
	})
}
