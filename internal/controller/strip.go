package controller

import (
	"sync"
	"unique"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/api/trust/v1alpha1"
)

// maxLabelSets bounds what a labelInterner holds: many times as many label sets as a large
// cluster has Bundles. Users who may write ConfigMaps can label them as they like, and
// must not make memory grow without bound.
const maxLabelSets = 10_000

// labelInterner makes all targets of a bundle share one label set, and its string as their
// name. A map takes more memory than everything else that the cache has of a target.
// Readers of the cache never change it. It is safe for concurrent use.
type labelInterner struct {
	mu sync.Mutex
	// of has the set of each value of the bundle label.
	of map[string]map[string]string
}

func newLabelInterner() *labelInterner { return &labelInterner{of: map[string]map[string]string{}} }

// isShared are the annotations of every target in the cache that is shared.
var isShared = map[string]string{v1alpha1.SharedAnnotationKey: "true"}

// get returns the set that has the bundle label with this value, and nothing else.
func (l *labelInterner) get(bundle string) map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	set, ok := l.of[bundle]
	if !ok {
		set = map[string]string{v1alpha1.BundleLabelKey: bundle}
		if len(l.of) < maxLabelSets {
			l.of[bundle] = set
		}
	}
	return set
}

// strip keeps what decisions need of a target: its identity and resource version, the
// Bundle that its label names, and whether it is shared.
func (l *labelInterner) strip(object any) (any, error) {
	full, ok := object.(*metav1.PartialObjectMetadata)
	if !ok {
		return object, nil
	}
	set := l.get(full.Labels[v1alpha1.BundleLabelKey])
	name := full.Name
	if bundle := set[v1alpha1.BundleLabelKey]; bundle == name {
		name = bundle
	}
	stripped := &metav1.PartialObjectMetadata{TypeMeta: full.TypeMeta, ObjectMeta: metav1.ObjectMeta{
		Name:            name,
		Namespace:       unique.Make(full.Namespace).Value(), // one string for all targets in it
		UID:             full.UID,
		ResourceVersion: full.ResourceVersion,
		Labels:          set,
	}}
	// No value is kept that another writer chooses: it may be large.
	if full.Annotations[v1alpha1.SharedAnnotationKey] == isShared[v1alpha1.SharedAnnotationKey] {
		stripped.Annotations = isShared
	}
	return stripped, nil
}
