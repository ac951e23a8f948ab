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
)

// String returns the name of the kind in the API.
func (k APIKind) String() string {
	if k == APIBundle {
		return "Bundle"
	}
	return ""
}

// ID identifies a bundle by the API object that defines it. All such objects are
// cluster-scoped.
//
// There are several IDs in memory for each target: a kind is a number, and fields are
// ordered by size, to save a third of the bytes.
type ID struct {
	Name string
	Kind APIKind
}

// String returns the ID for use in messages: `Bundle roots`.
func (id ID) String() string { return id.Kind.String() + " " + id.Name }

// NamespacedName returns the key of the API object.
func (id ID) NamespacedName() types.NamespacedName { return types.NamespacedName{Name: id.Name} }

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
	// Shared is the annotation of targets that also hold foreign data; its value is
	// [IsShared].
	Shared string
}

// IsShared is the value of the annotation [Marks.Shared].
const IsShared = "true"

// Has reports whether the metadata are those of a target: its label names a bundle and
// equals its name. An object of another name only carries the label, as a copy does.
func (m *Marks) Has(object metav1.Object) bool {
	name := object.GetLabels()[m.Label]
	return name != "" && name == object.GetName()
}

// Shares reports whether an object is marked as one that also holds foreign data.
func (m *Marks) Shares(object metav1.Object) bool {
	return object.GetAnnotations()[m.Shared] == IsShared
}
