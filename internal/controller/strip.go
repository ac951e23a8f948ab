package controller

import (
	"sync"
	"unique"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/internal/bundle"
)

// maxLabelSets bounds what a labelInterner holds: many times as many label sets as a large
// cluster has Bundles. Users who may write ConfigMaps can label them as they like, and
// must not make memory grow without bound.
const maxLabelSets = 10_000

// labelInterner makes all targets of a bundle share one label set, and its string as their
// name. A map takes more memory than everything else that the cache has of a target.
// Readers of the cache never change it. It is safe for concurrent use.
type labelInterner struct {
	marks *bundle.Marks
	// shared are the annotations of every target in the cache that is shared.
	shared map[string]string
	mu     sync.Mutex
	// of has the set of each value of the bundle label.
	of map[string]map[string]string
}

func newLabelInterner(marks *bundle.Marks) *labelInterner {
	return &labelInterner{marks: marks, shared: map[string]string{marks.Shared: bundle.IsShared}, of: map[string]map[string]string{}}
}

// get returns the set that has the bundle label with this value, and nothing else.
func (l *labelInterner) get(name string) map[string]string {
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

// strip keeps what decisions need of a target: its identity and resource version, the
// Bundle that its label names, and whether it is shared.
func (l *labelInterner) strip(object any) (any, error) {
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
	// No value is kept that another writer chooses: it may be large.
	if l.marks.Shares(full) {
		stripped.Annotations = l.shared
	}
	return stripped, nil
}
