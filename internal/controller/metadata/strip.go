package metadata

import (
	"sync"
	"unique"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/internal/bundle"
)

// maxLabelSets is the maximum number of label sets in an Interner, many times the number
// of Bundles in a large cluster. Without it, users who may write ConfigMaps could make memory
// grow without bound by labeling them.
const maxLabelSets = 10_000

// An Interner makes all targets of a bundle share one label set and one string for their
// name. A map of its own would take more memory than everything else that the cache holds for
// a target. Readers of the cache never modify the shared maps. It is safe for
// concurrent use.
type Interner struct {
	marks *bundle.Marks
	// marked has the annotations of all targets with a mark.
	marked map[bundle.Mark]map[string]string
	mu     sync.Mutex
	// of maps each value of the bundle label to its label set.
	of map[string]map[string]string
}

// NewInterner returns an Interner for targets with these marks.
func NewInterner(marks *bundle.Marks) *Interner {
	l := &Interner{marks: marks, marked: map[bundle.Mark]map[string]string{}, of: map[string]map[string]string{}}
	for _, mark := range []bundle.Mark{bundle.SharedMark, bundle.AdoptedMark, bundle.OrphanMark, bundle.AdoptedOrphanMark} {
		l.marked[mark] = map[string]string{marks.Shared: string(mark)}
	}
	return l
}

// get returns the label set that contains only the bundle label, with this value.
func (l *Interner) get(name string) map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	set, ok := l.of[name]
	if !ok {
		set = map[string]string{l.marks.Label: name}
		if len(l.of) < maxLabelSets {
			l.of[name] = set
		}
	}
	return set
}

// Strip reduces a target to the metadata that decisions need: its identity and resource
// version, the Bundle that its label names, and its mark.
func (l *Interner) Strip(object any) (any, error) {
	full, ok := object.(*metav1.PartialObjectMetadata)
	if !ok {
		return object, nil
	}
	set := l.get(full.Labels[l.marks.Label])
	name := full.Name
	if value := set[l.marks.Label]; value == name {
		name = value // one string for both
	}
	stripped := &metav1.PartialObjectMetadata{TypeMeta: full.TypeMeta, ObjectMeta: metav1.ObjectMeta{
		Name:            name,
		Namespace:       unique.Make(full.Namespace).Value(), // one string for all targets in it
		UID:             full.UID,
		ResourceVersion: full.ResourceVersion,
		Labels:          set,
	}}
	// Do not keep values that other writers control: they may be large.
	stripped.Annotations = l.marked[l.marks.MarkOf(full)]
	return stripped, nil
}

// StripNamespace reduces a Namespace to the metadata that decisions need.
func StripNamespace(object any) (any, error) {
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
