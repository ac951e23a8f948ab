package target

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
)

// FieldManager is the field manager of all writes.
const FieldManager = "trust-manager"

// Revision is the desired content of every target of a bundle. It is immutable, and all
// targets share it.
type Revision struct {
	// Owner is the owner reference of the targets, to the Bundle.
	Owner metav1.OwnerReference
	// Marks are the metadata by which the operator recognizes the targets.
	Marks *bundle.Marks
	// Namespaces selects the namespaces that get the targets.
	Namespaces labels.Selector
	// Overwrite allows changing foreign content of objects that existed before.
	Overwrite bool
	// Shapes has the content of the targets of each desired kind.
	Shapes map[bundle.Kind]*Shape
	// files are the encoded files in the shapes.
	files *encodedFiles
}

// Shape is the content of all targets of one kind.
type Shape struct {
	Kind bundle.Kind
	// Signer is the signer of a ClusterTrustBundle, or empty.
	Signer string
	// Refused is why the API server would refuse the content of the bundle, so that it is not
	// sent; nil if it would not. The shape then has the last content that was not refused,
	// without what the Bundle excludes, or no files if none is known.
	Refused error
	// Certificates are those of the files, for a kind that does not accept all.
	Certificates []certs.Certificate
	// Digest is a hexadecimal SHA-256 over all inputs of the shape.
	Digest string
	// Text has the text values by key, and Binary the binary ones; in a Secret all are
	// binary.
	Text   map[string]string
	Binary map[string][]byte
	// Labels and Annotations are all that the operator sets on a target that it owns,
	// including its own.
	Labels      map[string]string
	Annotations map[string]string
	// Orphan reports that the targets outlive the Bundle, which does not own them.
	Orphan bool
	// HashedDirectory reports that there is a hashed directory. All keys of the form of its names are
	// the operator's then.
	HashedDirectory bool
}

// MaxSize is the API server's limit for the sum of the values of a ConfigMap or Secret,
// in bytes.
const MaxSize = 1 << 20

// NewRevision returns the revision of a bundle. It reuses the files and shapes of the
// previous revision, before, whose inputs have not changed; before may be nil. The error
// is of type [bundle.Problems], with the reason BundleTooLarge if a target would exceed
// [MaxSize] (T10), and SourceBuildError if a key store cannot hold the bundle.
func NewRevision(spec bundle.Spec, content bundle.Bundle, before *Revision) (*Revision, error) {
	if before == nil {
		before = &Revision{}
	}
	files, err := encodeFiles(spec.Targets, content.Certificates, before.files)
	if err != nil {
		return nil, err
	}
	revision := &Revision{
		Owner:      spec.Owner,
		Marks:      spec.Marks,
		Namespaces: spec.Namespaces,
		Overwrite:  spec.Overwrite,
		Shapes:     make(map[bundle.Kind]*Shape, len(spec.Targets)),
		files:      files,
	}
	for _, target := range spec.Targets {
		certificates, refused := before.acceptable(spec, content, target.Kind)
		files := files
		if len(certificates) > 0 && refused != nil {
			if files, err = encodeFiles([]bundle.Target{target}, certificates, nil); err != nil {
				return nil, err
			}
		}
		digest := digestOf(spec, target, files)
		if known := before.Shapes[target.Kind]; known != nil && known.Digest == digest && isSameError(known.Refused, refused) {
			revision.Shapes[target.Kind] = known
			continue
		}
		if err := files.checkSize(target, len(content.Certificates)); err != nil {
			return nil, err
		}
		shape := newShape(spec, digest, target, files)
		if TypeOf(target.Kind).accepts != nil {
			shape.Refused, shape.Certificates = refused, certificates
		}
		if refused != nil && len(certificates) == 0 {
			clear(shape.Text)
		}
		revision.Shapes[target.Kind] = shape
	}
	return revision, nil
}

// acceptable returns the certificates for the targets of a kind: those of the bundle or, if the API
// server would refuse them, the last ones that it would not, without what the Bundle excludes. An
// exclusion does not wait for a source, and drift is repaired meanwhile.
func (r *Revision) acceptable(spec bundle.Spec, content bundle.Bundle, kind bundle.Kind) (certificates []certs.Certificate, refused error) {
	accepts := TypeOf(kind).accepts
	if accepts == nil {
		return content.Certificates, nil
	}
	if refused = accepts(content); refused == nil {
		return content.Certificates, nil
	}
	if last := r.Shapes[kind]; last != nil {
		rest, _, _ := bundle.Bundle{Certificates: last.Certificates}.Without(spec.Filter.Exclude, func(*certs.Certificate) bool { return false })
		certificates = rest.Certificates
	}
	switch {
	case len(certificates) > 0:
		refused = fmt.Errorf("the last content that was accepted stays, since %w", refused)
	case len(spec.Filter.Exclude) > 0:
		// A user who excludes a CA in an emergency must not believe that it is gone if it is not.
		refused = fmt.Errorf("WARNING: if the object exists, spec.exclude has not reached it: nothing is written, since %w", refused)
	default:
		refused = fmt.Errorf("nothing is written, since %w", refused)
	}
	return certificates, refused
}

// hasFiles reports whether there is any content to write.
func (s *Shape) hasFiles() bool { return len(s.Text)+len(s.Binary) > 0 }

func newShape(spec bundle.Spec, digest string, target bundle.Target, files *encodedFiles) *Shape {
	shape := &Shape{
		Kind:        target.Kind,
		Signer:      target.Signer,
		Digest:      digest,
		Text:        map[string]string{},
		Binary:      map[string][]byte{},
		Labels:      map[string]string{},
		Annotations: map[string]string{},
		Orphan:      spec.Orphan,
	}
	for _, file := range target.Files {
		shape.HashedDirectory = shape.HashedDirectory || file.Format == bundle.HashedDirectory
		isText := TypeOf(target.Kind).isText(file.Format)
		for _, entry := range files.of(file).entries {
			if key := cmp.Or(entry.Key, file.Key); isText {
				shape.Text[key] = string(entry.Data)
			} else {
				shape.Binary[key] = entry.Data
			}
		}
	}
	if target.Signer != "" {
		shape.Text[signerField] = target.Signer
	}
	maps.Copy(shape.Labels, target.Labels)
	maps.Copy(shape.Annotations, target.Annotations)
	shape.Labels[spec.Marks.Label] = spec.ID.Name
	shape.Annotations[spec.Marks.Hash] = digest
	if shape.Orphan {
		shape.Annotations[spec.Marks.Shared] = string(bundle.OrphanMark)
	}
	return shape
}

// KeyOf returns the target of a bundle in a namespace, which is empty for a kind that is
// cluster-scoped.
func (s *Shape) KeyOf(id bundle.ID, namespace string) Key {
	return Key{Bundle: id, Ref: Ref{Kind: s.Kind, Namespace: namespace, Name: bundle.ObjectName(s.Signer, id.Name)}}
}

// PEMDigest returns the hexadecimal SHA-256 of the PEM file, or "" if no target has one or
// there is no revision.
func (r *Revision) PEMDigest() string {
	if r == nil {
		return ""
	}
	file, ok := r.files.encoded[encoding{format: bundle.PEM}]
	if !ok {
		return ""
	}
	return hex.EncodeToString(file.sum[:])
}

// HasTargets reports whether there are any targets; there may be no revision.
func (r *Revision) HasTargets() bool { return r != nil && len(r.Shapes) > 0 }

// Wants reports whether an object with the name of the bundle, in a namespace with these labels, is
// a target. There may be no revision.
func (r *Revision) Wants(ref Ref, namespace labels.Set) bool {
	if r == nil || r.Shapes[ref.Kind] == nil || bundle.ObjectName(r.Shapes[ref.Kind].Signer, bundle.BundleName(ref.Name)) != ref.Name {
		return false
	}
	return TypeOf(ref.Kind).ClusterScoped || r.Namespaces.Matches(namespace)
}

// Equal reports whether two revisions have the same desired state for every target.
func (r *Revision) Equal(other *Revision) bool {
	if other == nil || r.Owner.UID != other.Owner.UID || r.Overwrite != other.Overwrite || len(r.Shapes) != len(other.Shapes) ||
		r.Namespaces.String() != other.Namespaces.String() {
		return false
	}
	for kind, shape := range r.Shapes {
		if other.Shapes[kind] == nil || other.Shapes[kind].Digest != shape.Digest || !isSameError(other.Shapes[kind].Refused, shape.Refused) {
			return false
		}
	}
	return true
}

// isSameError reports whether two errors, which may be nil, have the same text.
func isSameError(a, b error) bool {
	return (a == nil) == (b == nil) && (a == nil || a.Error() == b.Error())
}

// Holding is the observed content of a target that was in sync: the shape with this
// digest, for the Bundle with this UID. The UID is empty if the target outlives the Bundle.
type Holding struct {
	Digest string
	Owner  string
	// Clean reports that the object holds nothing foreign.
	Clean bool
	// Adopted reports that the object existed before it became a target.
	Adopted bool
}

// holding returns what a target holds that is in sync.
func (d *Desired) holding() Holding {
	holding := Holding{Digest: d.Shape.Digest, Clean: true}
	if !d.Shape.Orphan {
		holding.Owner = string(d.Owner.UID)
	}
	return holding
}
