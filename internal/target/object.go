package target

import (
	"encoding/json"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/api/trust/v1alpha1"
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
	// Text is a ConfigMap's data; Binary is its binaryData, or a Secret's data.
	Text   map[string]string
	Binary map[string][]byte
	// Typed reports that a Secret has a type other than Opaque. The type is foreign, and
	// cannot be changed.
	Typed bool
}

// FromConfigMap returns a ConfigMap as an Object that shares its memory.
func FromConfigMap(configMap *corev1.ConfigMap) *Object {
	return &Object{
		Kind:      bundle.ConfigMap,
		Meta:      configMap.ObjectMeta,
		Immutable: configMap.Immutable != nil && *configMap.Immutable,
		Text:      configMap.Data,
		Binary:    configMap.BinaryData,
	}
}

// FromSecret returns a Secret as an Object that shares its memory.
func FromSecret(secret *corev1.Secret) *Object {
	return &Object{
		Kind:      bundle.Secret,
		Meta:      secret.ObjectMeta,
		Immutable: secret.Immutable != nil && *secret.Immutable,
		Binary:    secret.Data,
		Typed:     secret.Type != corev1.SecretTypeOpaque && secret.Type != "",
	}
}

// Field identifies one entry of an object, by the names of the map and its key in
// managedFields.
type Field struct{ Section, Key string }

// The maps of an object whose entries the operator writes. Values in data are text in a
// ConfigMap and binary in a Secret.
const (
	SectionData        = "data"
	SectionBinaryData  = "binaryData"
	SectionLabels      = "labels"
	SectionAnnotations = "annotations"
)

// isData reports whether the entry is data, as opposed to metadata.
func (f Field) isData() bool { return f.Section == SectionData || f.Section == SectionBinaryData }

// isBinary reports whether the value is binary, which is base64 in JSON.
func (f Field) isBinary(kind bundle.Kind) bool { return f.Section == binarySection(kind) }

// binarySection returns the name of the map that holds binary values.
func binarySection(kind bundle.Kind) string {
	if kind == bundle.Secret {
		return SectionData
	}
	return SectionBinaryData
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

// isBundle reports whether an owner reference names the Bundle, under any UID: a re-created
// Bundle adopts the targets of its predecessor.
func isBundle(reference metav1.OwnerReference, name string) bool {
	group, _, _ := strings.Cut(reference.APIVersion, "/")
	return group == v1alpha1.GroupName && reference.Kind == v1alpha1.BundleKind && reference.Name == name
}

// foreignController returns the controller of the object if it is not the Bundle, or nil.
func (o *Object) foreignController(name string) *metav1.OwnerReference {
	for i, reference := range o.Meta.OwnerReferences {
		if reference.Controller != nil && *reference.Controller && !isBundle(reference, name) {
			return &o.Meta.OwnerReferences[i]
		}
	}
	return nil
}

// isShared reports whether the object is a target of the Bundle that also holds foreign
// data.
func (o *Object) isShared(name string) bool {
	return o.Meta.Name == name && o.Meta.Labels[v1alpha1.BundleLabelKey] == name &&
		o.Meta.Annotations[v1alpha1.SharedAnnotationKey] == "true"
}

// isControlled reports whether the object is a target that the Bundle controls. A copy or a
// restored backup has only the label.
func (o *Object) isControlled(name string) bool {
	if o.Meta.Name != name || o.Meta.Labels[v1alpha1.BundleLabelKey] != name {
		return false
	}
	for _, reference := range o.Meta.OwnerReferences {
		if isBundle(reference, name) && reference.Controller != nil && *reference.Controller {
			return true
		}
	}
	return false
}
