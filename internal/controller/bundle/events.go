package bundle

import (
	"context"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/controller/watch"
	"trust-manager.io/internal/retention"
	"trust-manager.io/internal/workqueue"
)

const (
	// SourceIndex is the index of Bundles by the objects that they read: by name, or by
	// kind if they select objects, and by their use of the default CA package.
	SourceIndex = "source"
	// DefaultCAsKey is the entry of the SourceIndex for the default CA package.
	DefaultCAsKey = "default"
)

// IndexSources returns the entries of a Bundle in the SourceIndex.
func IndexSources(object client.Object) []string {
	obj, ok := object.(*v1alpha1.Bundle)
	if !ok {
		return nil
	}
	var entries []string
	for _, source := range obj.Spec.Sources {
		switch {
		case source.ConfigMap != nil:
			entries = append(entries, sourceKey(bundle.ConfigMap, source.ConfigMap.Name))
		case source.Secret != nil:
			entries = append(entries, sourceKey(bundle.Secret, source.Secret.Name))
		case source.UseDefaultCAs != nil && *source.UseDefaultCAs:
			entries = append(entries, DefaultCAsKey)
		}
	}
	return entries
}

// sourceKey returns the entry in the SourceIndex of a source that names an object. A
// source that selects objects has no name, and so the entry of its kind.
func sourceKey(kind bundle.Kind, name string) string { return string(kind) + "/" + name }

// bundleEvents enqueues a Bundle when its spec changes, and its status when anything
// does.
func (r *Reconciler) bundleEvents() handler.TypedEventHandler[*v1alpha1.Bundle, string] {
	return watch.Handler[*v1alpha1.Bundle, string](func(_ context.Context, change watch.Change[*v1alpha1.Bundle]) {
		obj := change.Object()
		if change.Deleted {
			r.queue.Add(workqueue.HighPriority, obj.Name)
			r.statuses.Add(workqueue.DefaultPriority, obj.Name)
			return
		}
		if obj.DeletionTimestamp != nil && slices.Contains(obj.Finalizers, metav1.FinalizerOrphanDependents) {
			r.revisions.MarkOrphaned(obj.Name)
		}
		if before := change.Before; !change.Created && before.UID == obj.UID && before.Generation == obj.Generation &&
			(before.DeletionTimestamp == nil) == (obj.DeletionTimestamp == nil) {
			r.statuses.Add(workqueue.DefaultPriority, obj.Name)
			return
		}
		r.queue.Add(workqueue.HighPriority, obj.Name)
	})
}

// sourceEvents enqueues the Bundles that read an object of the trust namespace, by its
// name or by its labels as they are or were.
func sourceEvents[O client.Object](r *Reconciler, kind bundle.Kind) handler.TypedEventHandler[O, string] {
	return watch.Handler[O, string](func(ctx context.Context, change watch.Change[O]) {
		if change.Initial {
			return // every Bundle is built at the start
		}
		name := change.Object().GetName()
		versions := make([]labels.Set, 0, 2)
		if !change.Created {
			versions = append(versions, change.Before.GetLabels())
		}
		if !change.Deleted {
			versions = append(versions, change.After.GetLabels())
		}
		if owner, ok := retention.BundleOf(name); ok && kind == bundle.ConfigMap {
			r.queue.Add(workqueue.HighPriority, owner) // a user may have ended a retention
		}
		r.EnqueueReaders(ctx, sourceKey(kind, name), nil)
		r.EnqueueReaders(ctx, sourceKey(kind, ""), func(obj *v1alpha1.Bundle) bool { return selectsAny(obj, kind, versions) })
	})
}

// selectsAny reports whether a source of the Bundle selects an object of the kind with any
// of these labels. A selector that is invalid selects nothing: the Bundle is not built
// before it is changed.
func selectsAny(obj *v1alpha1.Bundle, kind bundle.Kind, versions []labels.Set) bool {
	spec, err := bundle.FromV1alpha1(obj)
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

// EnqueueReaders enqueues the Bundles that have a source under this entry of the
// SourceIndex and for which the function, unless it is nil, returns true.
func (r *Reconciler) EnqueueReaders(ctx context.Context, entry string, concerns func(*v1alpha1.Bundle) bool) {
	var readers v1alpha1.BundleList
	// The cache is complete and in memory, so a lookup in its index does not fail.
	if r.objects.List(ctx, &readers, client.MatchingFields{SourceIndex: entry}) != nil {
		return
	}
	for i := range readers.Items {
		if concerns == nil || concerns(&readers.Items[i]) {
			r.queue.Add(workqueue.HighPriority, readers.Items[i].Name)
		}
	}
}
