package bundle

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// APIKind is the kind of the API objects that define bundles. Its name is unique across API
// groups.
type APIKind uint16

// The kinds of API objects that define bundles.
const (
	APIBundle APIKind = iota + 1
	APIClusterBundle
)

// String returns the name of the kind in the API.
func (k APIKind) String() string {
	switch k {
	case APIBundle:
		return "Bundle"
	case APIClusterBundle:
		return "ClusterBundle"
	}
	return ""
}

// ID identifies a bundle by the API object that defines it. All such objects are
// cluster-scoped.
//
// There are several IDs in memory for each target, so a kind is a number.
type ID struct {
	Name string
	Kind APIKind
}

// String returns the ID for use in messages: `Bundle roots`.
func (id ID) String() string { return id.Kind.String() + " " + id.Name }

// NamespacedName returns the key of the API object.
func (id ID) NamespacedName() types.NamespacedName { return types.NamespacedName{Name: id.Name} }

// Superior returns the bundle of the same name that supersedes this one once it has been
// built, since both want the same objects; ok is false if there can be none.
func (id ID) Superior() (superior ID, ok bool) {
	return ID{Kind: APIClusterBundle, Name: id.Name}, id.Kind == APIBundle
}

// Inferior returns the bundle of the same name that this one supersedes; ok is false if there
// can be none.
func (id ID) Inferior() (inferior ID, ok bool) {
	return ID{Kind: APIBundle, Name: id.Name}, id.Kind == APIClusterBundle
}

// Peer returns the bundle of the same name and the other API kind.
func (id ID) Peer() ID {
	if superior, ok := id.Superior(); ok {
		return superior
	}
	inferior, _ := id.Inferior()
	return inferior
}

// Marks are the metadata by which the operator recognizes the targets of bundles of one API
// kind.
type Marks struct {
	// Kind is the API kind, and Owner its group and kind in owner references.
	Kind  APIKind
	Owner schema.GroupKind
	// Label has the name of the bundle as its value.
	Label string
	// Hash is the annotation with the digest of the content.
	Hash string
	// Shared is the annotation of targets that the Bundle does not own; its value is a
	// [Mark].
	Shared string
	// Adopt is the annotation, with the value "true", by which users consent to changes of
	// an object that existed before.
	Adopt string
	// Peers are the marks of the other API kinds. A bundle takes over the targets of bundles
	// of its name that have them.
	Peers []*Marks
}

// Mark is the reason why a Bundle does not own one of its targets, so that garbage
// collection does not delete it. It is empty if the Bundle does.
type Mark string

// The marks.
const (
	// SharedMark: the object also holds foreign data.
	SharedMark Mark = "true"
	// AdoptedMark: the object existed before it became a target. It is never deleted.
	AdoptedMark Mark = "adopted"
	// OrphanMark: the target outlives the Bundle.
	OrphanMark Mark = "orphan"
	// AdoptedOrphanMark is both of them.
	AdoptedOrphanMark = AdoptedMark + "," + OrphanMark
)

// IsAdopted reports whether the object existed before it became a target.
func (m Mark) IsAdopted() bool { return m == AdoptedMark || m == AdoptedOrphanMark }

// IsOrphan reports whether the target outlives the Bundle.
func (m Mark) IsOrphan() bool { return m == OrphanMark || m == AdoptedOrphanMark }

// WithPeers returns the marks followed by those of the other API kinds.
func (m *Marks) WithPeers() []*Marks { return append([]*Marks{m}, m.Peers...) }

// Has reports whether the metadata are those of a target: its label names the bundle that its
// own name does. An object of another name only carries the label, as a copy does.
func (m *Marks) Has(object metav1.Object) bool {
	name := object.GetLabels()[m.Label]
	return name != "" && name == BundleName(object.GetName())
}

// MarkOf returns the mark of an object, or "" if it has none.
func (m *Marks) MarkOf(object metav1.Object) Mark {
	switch mark := Mark(object.GetAnnotations()[m.Shared]); mark {
	case SharedMark, AdoptedMark, OrphanMark, AdoptedOrphanMark:
		return mark
	}
	return ""
}
