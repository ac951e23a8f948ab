package target

import (
	"encoding/json"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/internal/bundle"
)

// beforeFirstApply is the manager to which the API server assigns all fields of an
// untracked object at its first apply. It does not represent a writer.
const beforeFirstApply = "before-first-apply"

// Object is a target object that was read in full.
type Object struct {
	Kind      bundle.Kind
	Meta      metav1.ObjectMeta
	Immutable bool
	// Text is a ConfigMap's data, or the fields of a ClusterTrustBundle's spec; Binary is a
	// ConfigMap's binaryData, or a Secret's data.
	Text   map[string]string
	Binary map[string][]byte
	// Typed reports that a Secret has a type other than Opaque. The type is foreign, and
	// cannot be changed.
	Typed bool
}

// Field identifies one entry of an object, by the names of the map and its key in
// managedFields.
type Field struct{ Section, Key string }

// The maps of an object whose entries the operator writes. Values in data are text in a
// ConfigMap and binary in a Secret. A spec has the fields of a ClusterTrustBundle.
const (
	SectionData        = "data"
	SectionBinaryData  = "binaryData"
	SectionSpec        = "spec"
	SectionLabels      = "labels"
	SectionAnnotations = "annotations"
)

// isData reports whether the entry is data, as opposed to metadata.
func (f Field) isData() bool {
	return f.Section == SectionData || f.Section == SectionBinaryData || f.Section == SectionSpec
}

// written returns the entries that the operator has written and no other manager claims,
// according to managedFields. If those were cleared, an entry with the same value as in
// the shape counts as the operator's; the shape may be nil.
func (o *Object) written(shape *Shape) map[Field]bool {
	ours := map[Field]bool{}
	if len(o.Meta.ManagedFields) == 0 && shape != nil {
		present := o.entries()
		for field, value := range shape.entries() {
			if current, ok := present[field]; ok && current == value {
				ours[field] = true
			}
		}
	}
	for _, entry := range o.Meta.ManagedFields {
		if entry.Manager == FieldManager {
			collect(entry.FieldsV1, ours)
		}
	}
	for field := range o.claimed() {
		delete(ours, field)
	}
	return ours
}

// claimed returns the entries that other managers have written, according to
// managedFields. The operator may have written the same values.
func (o *Object) claimed() map[Field]bool {
	others := map[Field]bool{}
	for _, entry := range o.Meta.ManagedFields {
		if entry.Manager != FieldManager && entry.Manager != beforeFirstApply {
			collect(entry.FieldsV1, others)
		}
	}
	return others
}

// collect adds the entries that a managedFields record lists. A record that cannot be
// parsed lists none, so its entries count as foreign.
func collect(record *metav1.FieldsV1, into map[Field]bool) {
	if record == nil {
		return
	}
	var root struct {
		Data   map[string]json.RawMessage `json:"f:data"`
		Binary map[string]json.RawMessage `json:"f:binaryData"`
		Spec   map[string]json.RawMessage `json:"f:spec"`
		Meta   struct {
			Labels      map[string]json.RawMessage `json:"f:labels"`
			Annotations map[string]json.RawMessage `json:"f:annotations"`
		} `json:"f:metadata"`
	}
	if json.Unmarshal(record.GetRawBytes(), &root) != nil {
		return
	}
	for section, entries := range map[string]map[string]json.RawMessage{
		SectionData:        root.Data,
		SectionBinaryData:  root.Binary,
		SectionSpec:        root.Spec,
		SectionLabels:      root.Meta.Labels,
		SectionAnnotations: root.Meta.Annotations,
	} {
		for name := range entries {
			if key, ok := strings.CutPrefix(name, "f:"); ok {
				into[Field{section, key}] = true
			}
		}
	}
}

// identity is what the owner references and marks of a bundle's targets have.
type identity struct {
	// marks are those of the bundle's API kind, followed by those of the kinds from which it
	// takes over the targets of its name. The list is not empty.
	marks []*bundle.Marks
	name  string
}

// isOwner reports whether an owner reference names the bundle, under any UID: a re-created
// Bundle takes over the targets of its predecessor.
func (i identity) isOwner(reference metav1.OwnerReference) bool {
	group, _, _ := strings.Cut(reference.APIVersion, "/")
	return reference.Name == i.name && slices.ContainsFunc(i.marks, func(m *bundle.Marks) bool {
		return m.Owner.Group == group && m.Owner.Kind == reference.Kind
	})
}

// isPeer reports whether an owner reference names the bundle of the same name and another API
// kind.
func (i identity) isPeer(reference metav1.OwnerReference) bool {
	return i.isOwner(reference) && !identity{i.marks[:1], i.name}.isOwner(reference)
}

// foreignController returns the controller of an object if it is not the bundle, or nil.
func (i identity) foreignController(object *Object) *metav1.OwnerReference {
	for at, reference := range object.Meta.OwnerReferences {
		if reference.Controller != nil && *reference.Controller && !i.isOwner(reference) {
			return &object.Meta.OwnerReferences[at]
		}
	}
	return nil
}

// isMarked reports whether an object carries the label of the bundle's targets.
func (i identity) isMarked(object *Object) bool {
	return bundle.BundleName(object.Meta.Name) == i.name && slices.ContainsFunc(i.marks, func(m *bundle.Marks) bool { return m.Has(&object.Meta) })
}

// mark returns the mark of a target of the bundle, or "" if it has none or is none.
func (i identity) mark(object *Object) bundle.Mark {
	if !i.isMarked(object) {
		return ""
	}
	return i.recorded(object)
}

// recorded returns the mark of an object, whether it is a target or not.
func (i identity) recorded(object *Object) bundle.Mark {
	for _, marks := range i.marks {
		if mark := marks.MarkOf(&object.Meta); mark != "" {
			return mark
		}
	}
	return ""
}

// hasConsent reports whether a user has consented to changes of an object.
func (i identity) hasConsent(object *Object) bool {
	return slices.ContainsFunc(i.marks, func(m *bundle.Marks) bool { return object.Meta.Annotations[m.Adopt] == consent })
}

// isAdopted reports whether an object existed before it became a target, and whether it
// becomes one only now: it is not known, and has neither the label nor the owner of a target.
// A user who takes an object back may remove the label and leave the annotations. An object that
// cannot be shared is never adopted.
func (i identity) isAdopted(observed Observed) (adopted, isNew bool) {
	object := observed.Object
	isNew = !observed.Known && !i.isMarked(object) && !slices.ContainsFunc(object.Meta.OwnerReferences, i.isOwner)
	if TypeOf(object.Kind).Exclusive {
		return false, isNew
	}
	isKnownAdopted := observed.Known && observed.Holding.Adopted
	return isNew || isKnownAdopted || i.recorded(object).IsAdopted(), isNew
}

// isControlled reports whether an object is a target that the bundle controls. A copy or a
// restored backup has only the label.
func (i identity) isControlled(object *Object) bool {
	return i.isMarked(object) && slices.ContainsFunc(object.Meta.OwnerReferences, func(reference metav1.OwnerReference) bool {
		return i.isOwner(reference) && reference.Controller != nil && *reference.Controller
	})
}

// isReserved reports whether the name of an entry is reserved for the operator.
func (i identity) isReserved(field Field) bool {
	return slices.ContainsFunc(i.marks, func(m *bundle.Marks) bool {
		switch field {
		case Field{SectionLabels, m.Label}, Field{SectionAnnotations, m.Hash}, Field{SectionAnnotations, m.Shared}:
			return true
		}
		return false
	})
}
