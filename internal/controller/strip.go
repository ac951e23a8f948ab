package controller

import (
	"sync"
	"unique"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/api/trust/v1alpha1"
)

// mostLabelSets bounds what labelSets remembers: many times as many as there are
// Bundles in a large cluster. Whoever may write ConfigMaps can label them as they
// like, and must not make memory grow for ever.
const mostLabelSets = 10_000

// labelSets gives all targets of a bundle the same label set, and its string as
// their name. A map takes more memory than all the rest that the cache has of a
// target. Readers of the cache change nothing. It is safe for concurrent use.
type labelSets struct {
	mu sync.Mutex
	// of has the set of each value of the bundle label.
	of map[string]map[string]string
}

func newLabelSets() *labelSets { return &labelSets{of: map[string]map[string]string{}} }

// isShared are the annotations of every target in the cache that is shared.
var isShared = map[string]string{v1alpha1.SharedAnnotationKey: "true"}

// get gives the set with the bundle label of this value, and nothing else.
func (l *labelSets) get(bundle string) map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	set, ok := l.of[bundle]
	if !ok {
		set = map[string]string{v1alpha1.BundleLabelKey: bundle}
		if len(l.of) < mostLabelSets {
			l.of[bundle] = set
		}
	}
	return set
}

// strip keeps what is read of a cached target: which object at which resource
// version it is, whose it says to be, and whether it is shared.
func (l *labelSets) strip(object any) (any, error) {
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
	// Nothing of a value that another may choose is kept, however large it is.
	if full.Annotations[v1alpha1.SharedAnnotationKey] == isShared[v1alpha1.SharedAnnotationKey] {
		stripped.Annotations = isShared
	}
	return stripped, nil
}
