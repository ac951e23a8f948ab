package controller

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/controller/metadata"
	"trust-manager.io/internal/target"
)

// targetCache makes the manager start this cache with its own, and wait for both before it
// starts anything else.
type targetCache struct{ cache.Cache }

// GetCache is what marks a cache for the manager.
func (c targetCache) GetCache() cache.Cache { return c.Cache }

// newTargetCache returns the cache of all objects of these kinds, in these namespaces or in
// all, that carry the label of these marks, as metadata stripped to what decisions need.
func newTargetCache(mgr manager.Manager, marks *bundle.Marks, scope target.Scope) (cache.Cache, error) {
	labelled, err := labels.NewRequirement(marks.Label, selection.Exists, nil)
	if err != nil {
		return nil, err
	}
	shared := true
	byObject := map[client.Object]cache.ByObject{}
	sets := newLabelInterner(marks)
	for _, kind := range scope.Kinds {
		byObject[metadata.New(target.TypeOf(kind).GVK)] = cache.ByObject{
			Label:                 labels.NewSelector().Add(*labelled),
			Transform:             sets.strip,
			UnsafeDisableDeepCopy: &shared,
		}
	}
	options := cache.Options{
		HTTPClient:  mgr.GetHTTPClient(),
		Scheme:      mgr.GetScheme(),
		Mapper:      mgr.GetRESTMapper(),
		ByObject:    byObject,
		NewInformer: newInformer(sets.strip),
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

// stripNamespace keeps what decisions need of a Namespace.
func stripNamespace(object any) (any, error) {
	full, ok := object.(*metav1.PartialObjectMetadata)
	if !ok {
		return object, nil
	}
	return &metav1.PartialObjectMetadata{TypeMeta: full.TypeMeta, ObjectMeta: metav1.ObjectMeta{
		Name:              full.Name,
		UID:               full.UID,
		ResourceVersion:   full.ResourceVersion,
		Labels:            full.Labels,
		DeletionTimestamp: full.DeletionTimestamp,
	}}, nil
}
