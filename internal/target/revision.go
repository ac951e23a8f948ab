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
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
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
	// files are what the shapes were made of.
	files *files
}

// Shape is the content of all targets of one kind.
type Shape struct {
	Kind bundle.Kind
	// Digest is a hexadecimal SHA-256 over all inputs of the shape.
	Digest string
	// Text has the values that are text, by key, and Binary those that are not;
	// in a Secret all are binary.
	Text   map[string]string
	Binary map[string][]byte
	// Labels and Annotations are all that the operator puts on a target that
	// it owns, its own among them.
	Labels      map[string]string
	Annotations map[string]string
}

// MaxSize is the largest sum of the values of a target, in bytes: the API
// server takes no more in a ConfigMap or Secret.
const MaxSize = 1 << 20

// NewRevision makes the revision of a bundle. Files and shapes whose inputs have
// not changed are taken over from the revision before, which may be nil. The
// error is bundle.Problems: with the reason BundleTooLarge where a target would
// not fit into the API server (T10), and SourceBuildError where a key store
// cannot hold the bundle.
func NewRevision(spec bundle.Spec, content bundle.Bundle, before *Revision) (*Revision, error) {
	if before == nil {
		before = &Revision{}
	}
	files, err := encodeFiles(spec, content.Certificates, before.files)
	if err != nil {
		return nil, err
	}
	revision := &Revision{
		Owner:      spec.Owner,
		Namespaces: spec.Namespaces,
		Shapes:     make(map[bundle.Kind]*Shape, len(spec.Targets)),
		files:      files,
	}
	for _, target := range spec.Targets {
		digest := digestOf(target, files)
		if known := before.Shapes[target.Kind]; known != nil && known.Digest == digest {
			revision.Shapes[target.Kind] = known
			continue
		}
		if err := files.fit(target.Kind, len(content.Certificates)); err != nil {
			return nil, err
		}
		revision.Shapes[target.Kind] = newShape(spec.Name, digest, target, files)
	}
	return revision, nil
}

func newShape(name, digest string, target bundle.Target, files *files) *Shape {
	shape := &Shape{
		Kind:        target.Kind,
		Digest:      digest,
		Text:        map[string]string{},
		Binary:      map[string][]byte{},
		Labels:      map[string]string{},
		Annotations: map[string]string{},
	}
	if target.Kind == bundle.Secret {
		shape.Binary[target.Key] = files.pem.data
	} else {
		shape.Text[target.Key] = string(files.pem.data)
	}
	for _, store := range files.stores {
		shape.Binary[store.Key] = store.data
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
