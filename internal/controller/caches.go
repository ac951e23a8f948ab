package controller

import (
	"context"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/controller/metadata"
	"trust-manager.io/internal/controller/trustbundle"
	"trust-manager.io/internal/target"
)

// targetCache makes the manager start a cache together with its own, and wait for both to
// sync before it starts anything else.
type targetCache struct{ cache.Cache }

// GetCache is the method by which the manager recognizes a cache.
func (c targetCache) GetCache() cache.Cache { return c.Cache }

// trustBundleCache makes the manager treat the watch of ClusterTrustBundles as a cache.
type trustBundleCache struct {
	cache.Cache // has no other methods that are called
	watcher     *trustbundle.Watcher
}

// Start implements manager.Runnable.
func (c trustBundleCache) Start(ctx context.Context) error { return c.watcher.Start(ctx) }

// WaitForCacheSync implements cache.Informers.
func (c trustBundleCache) WaitForCacheSync(ctx context.Context) bool {
	return c.watcher.WaitForCacheSync(ctx)
}

// newTargetCaches returns the cache of the targets of each API kind, also as readers.
func newTargetCaches(mgr manager.Manager, served apis.Adapters, scope target.Scope, trustBundles *trustbundle.Watcher) (map[bundle.APIKind]cache.Cache, metadata.Targets, error) {
	caches, readers := map[bundle.APIKind]cache.Cache{}, metadata.Targets{}
	for _, adapter := range served {
		marks := adapter.Marks()
		targets, err := newTargetCache(mgr, marks, scope)
		if err != nil {
			return nil, nil, err
		}
		caches[marks.Kind], readers[marks.Kind] = targets, trustBundles.Reader(targets, marks.Label)
	}
	return caches, readers, nil
}

// newTargetCache returns the cache of the objects that have the bundle label and whose kind
// and namespace are in scope. It holds only the metadata that decisions need.
func newTargetCache(mgr manager.Manager, marks *bundle.Marks, scope target.Scope) (cache.Cache, error) {
	hasLabel, err := labels.NewRequirement(marks.Label, selection.Exists, nil)
	if err != nil {
		return nil, err
	}
	shared := true
	byObject := map[client.Object]cache.ByObject{}
	interner := metadata.NewInterner(marks)
	for _, kind := range scope.InNamespaces() {
		byObject[metadata.New(target.TypeOf(kind).GVK)] = cache.ByObject{
			Label:                 labels.NewSelector().Add(*hasLabel),
			Transform:             interner.Strip,
			UnsafeDisableDeepCopy: &shared,
		}
	}
	options := cache.Options{
		HTTPClient:  mgr.GetHTTPClient(),
		Scheme:      mgr.GetScheme(),
		Mapper:      mgr.GetRESTMapper(),
		ByObject:    byObject,
		NewInformer: metadata.NewInformer(interner.Strip),
	}
	if len(scope.Namespaces) > 0 {
		options.DefaultNamespaces = map[string]cache.Config{}
		for namespace := range scope.Namespaces {
			options.DefaultNamespaces[namespace] = cache.Config{}
		}
	}
	targets, err := cache.New(mgr.GetConfig(), options)
	if err != nil {
		return nil, err
	}
	return targets, mgr.Add(targetCache{targets})
}

// CountNamespaces returns a function that counts the namespaces in the cache that may get
// targets: all of them, or those of the list if it is not empty.
func CountNamespaces(objects client.Reader, targetNamespaces []string) func(ctx context.Context) (int, error) {
	scope := target.NewScope(nil, targetNamespaces)
	return func(ctx context.Context) (count int, err error) {
		list, err := metadata.Namespaces(ctx, objects)
		for i := range list {
			if list[i].DeletionTimestamp == nil && scope.HasNamespace(list[i].Name) {
				count++
			}
		}
		return count, err
	}
}
