package controller

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
)

// The kinds that are cached as metadata.
var (
	namespaceKind = corev1.SchemeGroupVersion.WithKind("Namespace")
	configMapKind = corev1.SchemeGroupVersion.WithKind("ConfigMap")
	secretKind    = corev1.SchemeGroupVersion.WithKind("Secret")
)

// targetKind gives the API's name of a kind of targets.
func targetKind(kind bundle.Kind) schema.GroupVersionKind {
	if kind == bundle.Secret {
		return secretKind
	}
	return configMapKind
}

// The index of the caches.
const (
	// sourceIndex finds the Bundles that read an object by its name or select
	// objects of its kind, or use the default CA package.
	sourceIndex = "source"
	// defaultCAsKey is the entry of the sourceIndex for the default CA package.
	defaultCAsKey = "default"
)

func metadataOf(kind schema.GroupVersionKind) *metav1.PartialObjectMetadata {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(kind)
	return object
}

// targetCache makes the manager start and complete this cache with its own,
// before anything else.
type targetCache struct{ cache.Cache }

// GetCache is how the manager tells a cache from other things that it runs.
func (c targetCache) GetCache() cache.Cache { return c.Cache }

// newTargetCache makes the cache of all objects of these kinds, in these
// namespaces or in all, that carry the bundle label, as metadata stripped to what
// decisions read.
func newTargetCache(mgr manager.Manager, kinds []bundle.Kind, namespaces []string) (cache.Cache, error) {
	labelled, err := labels.NewRequirement(v1alpha1.BundleLabelKey, selection.Exists, nil)
	if err != nil {
		return nil, err
	}
	shared := true
	byObject := map[client.Object]cache.ByObject{}
	sets := newLabelSets()
	for _, kind := range kinds {
		byObject[metadataOf(targetKind(kind))] = cache.ByObject{
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
	if len(namespaces) > 0 {
		options.DefaultNamespaces = map[string]cache.Config{}
		for _, namespace := range namespaces {
			options.DefaultNamespaces[namespace] = cache.Config{}
		}
	}
	targets, err := cache.New(mgr.GetConfig(), options)
	if err != nil {
		return nil, err
	}
	return targets, mgr.Add(targetCache{targets})
}

// stripNamespace keeps what is read of a cached Namespace.
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

// sourcesOf gives the entries of a Bundle in the sourceIndex.
func sourcesOf(object client.Object) []string {
	from, ok := object.(*v1alpha1.Bundle)
	if !ok {
		return nil
	}
	var entries []string
	for _, source := range from.Spec.Sources {
		switch {
		case source.ConfigMap != nil:
			entries = append(entries, sourceKey(bundle.ConfigMap, source.ConfigMap.Name))
		case source.Secret != nil:
			entries = append(entries, sourceKey(bundle.Secret, source.Secret.Name))
		case source.UseDefaultCAs != nil && *source.UseDefaultCAs:
			entries = append(entries, defaultCAsKey)
		}
	}
	return entries
}

// sourceKey is the entry in the sourceIndex of a source that names an object. One
// that selects objects has no name, and so the entry of its kind.
func sourceKey(kind bundle.Kind, name string) string { return string(kind) + "/" + name }

// bundleOf gives the Bundle whose target an object is. An object of another
// name merely carries the label.
func bundleOf(object client.Object) []string {
	if name := object.GetLabels()[v1alpha1.BundleLabelKey]; name == object.GetName() {
		return []string{name}
	}
	return nil
}
