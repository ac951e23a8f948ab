// Package target decides what happens to one target, an object in one
// namespace, and does it.
//
// Decide is pure: what is wanted and what has been seen go in, an Action comes
// out. A Writer does the Action with at most one request that changes
// anything. ConfigMaps and Secrets are one type with a kind.
//
// What always holds: nothing that others put on an object is taken away; an
// object is replaced or deleted only at a resource version whose whole content
// is known to be the operator's; anything else is read whole first.
//
// The package does not know when to act, or what has become of other targets:
// that is package controller.
package target

import (
	"fmt"
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/encode"
)

// FieldManager is the name under which all writes are made.
const FieldManager = "trust-manager"

// Key names one target. The object has the Bundle's name.
type Key struct {
	Bundle    string
	Namespace string
	Kind      bundle.Kind
}

// String gives the target as it is named in messages: `ConfigMap team-a/roots`.
func (k Key) String() string {
	return string(k.Kind) + " " + k.Namespace + "/" + k.Bundle
}

// Revision is what every target of a bundle should hold. It is never changed
// once made, and shared by all targets.
type Revision struct {
	// Owner refers to the Bundle, as its targets do.
	Owner metav1.OwnerReference
	// Namespaces selects those that get the targets.
	Namespaces labels.Selector
	// Shapes has what a target of each wanted kind looks like.
	Shapes map[bundle.Kind]*Shape
}

// Shape is the content of all targets of one kind.
type Shape struct {
	// Digest is a hexadecimal SHA-256 over all inputs of the shape.
	Digest string
	// Text has the values that are text, by key.
	Text map[string]string
	// Labels and Annotations are all that the operator puts on a target that
	// it owns, its own among them.
	Labels      map[string]string
	Annotations map[string]string
}

// MaxSize is the largest sum of the values of a target, in bytes: the API
// server takes no more in a ConfigMap or Secret.
const MaxSize = 1 << 20

// NewRevision makes the revision of a bundle. A shape whose inputs have not
// changed is taken over from the revision before, which may be nil. The error
// is bundle.Problems with the reason BundleTooLarge where a target would not
// fit into the API server (T10).
func NewRevision(spec bundle.Spec, content bundle.Bundle, before *Revision) (*Revision, error) {
	revision := &Revision{
		Owner:      spec.Owner,
		Namespaces: spec.Namespaces,
		Shapes:     make(map[bundle.Kind]*Shape, len(spec.Targets)),
	}
	for _, target := range spec.Targets {
		digest := digestOf(target, content.Certificates)
		if before != nil && before.Shapes[target.Kind] != nil && before.Shapes[target.Kind].Digest == digest {
			revision.Shapes[target.Kind] = before.Shapes[target.Kind]
			continue
		}
		shape := newShape(spec.Name, digest, target, content)
		if err := shape.fits(target, len(content.Certificates)); err != nil {
			return nil, err
		}
		revision.Shapes[target.Kind] = shape
	}
	return revision, nil
}

// fits refuses a shape that the API server would not take.
func (s *Shape) fits(target bundle.Target, certificates int) error {
	size := len(s.Text[target.Key])
	if size <= MaxSize {
		return nil
	}
	return bundle.Problems{{Reason: v1alpha1.BundleReasonBundleTooLarge, Detail: fmt.Sprintf(
		"the bundle of %d certificates takes %d bytes as PEM, and a %s holds at most %d; take certificates out, or split the Bundle",
		certificates, size, target.Kind, MaxSize)}}
}

func newShape(name, digest string, target bundle.Target, content bundle.Bundle) *Shape {
	shape := &Shape{
		Digest:      digest,
		Text:        map[string]string{target.Key: string(encode.PEM(content.Certificates))},
		Labels:      map[string]string{},
		Annotations: map[string]string{},
	}
	maps.Copy(shape.Labels, target.Labels)
	maps.Copy(shape.Annotations, target.Annotations)
	shape.Labels[v1alpha1.BundleLabelKey] = name
	shape.Annotations[v1alpha1.BundleHashAnnotationKey] = digest
	return shape
}

// Same says whether two revisions want the same of every target.
func (r *Revision) Same(other *Revision) bool {
	if other == nil || r.Owner.UID != other.Owner.UID || len(r.Shapes) != len(other.Shapes) ||
		r.Namespaces.String() != other.Namespaces.String() {
		return false
	}
	for kind, shape := range r.Shapes {
		if other.Shapes[kind] == nil || other.Shapes[kind].Digest != shape.Digest {
			return false
		}
	}
	return true
}

// Holding says what a target was seen to hold, all of it in order: the shape
// with this digest, owned by the Bundle with this UID.
type Holding struct {
	Digest string
	Owner  string
	// Clean says that nothing of others is in the object.
	Clean bool
}
