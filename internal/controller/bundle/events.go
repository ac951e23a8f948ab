package bundle

import (
	"context"
	"maps"
	"slices"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/controller/watch"
	"trust-manager.io/internal/rotation"
	"trust-manager.io/internal/workqueue"
)

const (
	// SourceIndex is the index of Bundles by the objects that they read: by name, or by
	// kind if they select objects, and by their use of the default CA package.
	SourceIndex = "source"
	// DefaultCAsKey is the entry of the SourceIndex for the default CA package.
	DefaultCAsKey = "default"
	// settling is how long the build of a bundle with several sources waits after the event of
	// one. The watches of ConfigMaps and of Secrets are independent, and after an interruption
	// the cache takes up the changes of several objects one by one, within a few milliseconds:
	// a bundle of some of them was never wanted, and a CA that moved from one source to another
	// may be in neither.
	settling = 10 * time.Millisecond
)

// IndexSources returns a function that returns the entries of a Bundle in the SourceIndex.
func IndexSources(adapter apis.Adapter) client.IndexerFunc {
	return func(obj client.Object) []string {
		spec, _ := adapter.Spec(obj) // sources that are invalid are not read
		var entries []string
		for _, source := range spec.Sources {
			switch {
			case source.Object != nil:
				entries = append(entries, sourceKey(source.Object.Kind, source.Object.Name))
			case source.TrustBundle != nil:
				entries = append(entries, sourceKey(bundle.ClusterTrustBundle, source.TrustBundle.Name))
			case source.DefaultCAs:
				entries = append(entries, DefaultCAsKey)
			}
		}
		return entries
	}
}

// sourceKey returns the entry in the SourceIndex of a source that names an object. A
// source that selects objects has no name, and so the entry of its kind.
func sourceKey(kind bundle.Kind, name string) string { return kind.String() + "/" + name }

// bundleEvents enqueues a Bundle when its spec changes, and its status when anything
// does.
func (r *Reconciler) bundleEvents(kind bundle.APIKind) handler.TypedEventHandler[client.Object, bundle.ID] {
	return watch.Handler[client.Object, bundle.ID](func(_ context.Context, change watch.Change[client.Object]) {
		obj := change.Object()
		id := bundle.ID{Kind: kind, Name: obj.GetName()}
		if change.Deleted {
			r.queue.Add(workqueue.HighPriority, id)
			r.statuses.Add(workqueue.DefaultPriority, id)
			return
		}
		if obj.GetDeletionTimestamp() != nil && slices.Contains(obj.GetFinalizers(), metav1.FinalizerOrphanDependents) {
			r.revisions.MarkOrphaned(id)
		}
		if before := change.Before; !change.Created && before.GetUID() == obj.GetUID() && before.GetGeneration() == obj.GetGeneration() &&
			maps.Equal(before.GetAnnotations(), obj.GetAnnotations()) && (before.GetDeletionTimestamp() == nil) == (obj.GetDeletionTimestamp() == nil) {
			r.statuses.Add(workqueue.DefaultPriority, id)
			return
		}
		r.queue.Add(workqueue.HighPriority, id)
	})
}

// sourceEvents enqueues the Bundles that read an object of the trust namespace, by its
// name or by its labels as they are or were.
func sourceEvents[O client.Object](r *Reconciler, kind bundle.Kind) handler.TypedEventHandler[O, bundle.ID] {
	return watch.Handler[O, bundle.ID](func(ctx context.Context, change watch.Change[O]) {
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
		if owner, ok := rotation.BundleOf(name); ok && kind == bundle.ConfigMap {
			r.queue.Add(workqueue.HighPriority, owner) // a user may have ended a retention
		}
		r.EnqueueReaders(ctx, sourceKey(kind, name), nil)
		r.EnqueueReaders(ctx, sourceKey(kind, ""), func(spec bundle.Spec) bool { return selectsAny(spec, kind, versions) })
	})
}

// OnTrustBundle enqueues the Bundles that read a ClusterTrustBundle, by its name, or by its signer
// and its labels as they are or were. All of them are built when the watch begins.
func (r *Reconciler) OnTrustBundle(ctx context.Context, change watch.Change[*certificatesv1.ClusterTrustBundle]) {
	if change.Initial {
		return
	}
	object := change.Object()
	r.EnqueueReaders(ctx, sourceKey(bundle.ClusterTrustBundle, object.Name), nil)
	r.EnqueueReaders(ctx, sourceKey(bundle.ClusterTrustBundle, ""), func(spec bundle.Spec) bool {
		return slices.ContainsFunc(spec.Sources, func(source bundle.Source) bool {
			// A signer has few objects, so it does not matter which of them a selector selects.
			return source.TrustBundle != nil && source.TrustBundle.Signer == object.Spec.SignerName
		})
	})
}

// OnTrustBundles enqueues all Bundles that read ClusterTrustBundles, since the API server has begun
// or ceased to serve them.
func (r *Reconciler) OnTrustBundles(ctx context.Context) {
	for _, adapter := range r.apis {
		list := adapter.NewList()
		if r.objects.List(ctx, list) != nil {
			continue // as in EnqueueReaders
		}
		_ = meta.EachListItem(list, func(item runtime.Object) error {
			if obj, ok := item.(client.Object); ok {
				if spec, _ := adapter.Spec(obj); slices.ContainsFunc(spec.Sources, func(s bundle.Source) bool { return s.TrustBundle != nil }) {
					r.queue.Add(workqueue.HighPriority, spec.ID)
				}
			}
			return nil
		})
	}
}

// selectsAny reports whether a source selects an object of the kind with any of these
// labels.
func selectsAny(spec bundle.Spec, kind bundle.Kind, versions []labels.Set) bool {
	return slices.ContainsFunc(spec.Sources, func(source bundle.Source) bool {
		return source.Object != nil && source.Object.Kind == kind && source.Object.Selector != nil &&
			slices.ContainsFunc(versions, func(set labels.Set) bool { return source.Object.Selector.Matches(set) })
	})
}

// delayOf returns how long the build of a bundle waits after the event of one of its sources. A
// single object changes at once.
func delayOf(spec bundle.Spec) time.Duration {
	objects := 0
	for _, source := range spec.Sources {
		switch {
		case source.Object != nil && source.Object.Selector != nil, source.TrustBundle != nil && source.TrustBundle.Name == "":
			return settling
		case source.Object != nil, source.TrustBundle != nil:
			objects++
		}
	}
	if objects > 1 {
		return settling
	}
	return 0
}

// EnqueueReaders enqueues the Bundles that have a source under this entry of the
// SourceIndex and for which the function, unless it is nil, returns true.
func (r *Reconciler) EnqueueReaders(ctx context.Context, entry string, concerns func(bundle.Spec) bool) {
	for _, adapter := range r.apis {
		readers := adapter.NewList()
		// The cache is complete and in memory, so a lookup in its index does not fail.
		if r.objects.List(ctx, readers, client.MatchingFields{SourceIndex: entry}) != nil {
			continue
		}
		_ = meta.EachListItem(readers, func(item runtime.Object) error {
			if obj, ok := item.(client.Object); ok {
				if spec, _ := adapter.Spec(obj); concerns == nil || concerns(spec) {
					r.queue.AddAfter(workqueue.HighPriority, delayOf(spec), spec.ID)
				}
			}
			return nil
		})
	}
}
