package target

import (
	"encoding/json"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/api/trust/v1alpha1"
)

// beforeFirstApply is the manager to which the API server gives all fields of
// an untracked object at its first apply. It speaks for nobody.
const beforeFirstApply = "before-first-apply"

// Object is a target object read whole.
type Object struct {
	Meta      metav1.ObjectMeta
	Immutable bool
	Text      map[string]string
	Binary    map[string][]byte
}

// fromConfigMap gives a ConfigMap as an Object that shares its memory.
func fromConfigMap(from *corev1.ConfigMap) *Object {
	return &Object{
		Meta:      from.ObjectMeta,
		Immutable: from.Immutable != nil && *from.Immutable,
		Text:      from.Data,
		Binary:    from.BinaryData,
	}
}

// field names one entry of an object, by the names that managedFields gives to
// the map and its key.
type field struct{ section, key string }

// The maps of an object whose entries the operator writes.
const (
	sectionText        = "data"
	sectionBinary      = "binaryData"
	sectionLabels      = "labels"
	sectionAnnotations = "annotations"
)

// written gives the entries that the operator has written and nobody else
// claims, as far as the API server's managedFields tell. Where they were
// cleared, an entry that holds just what the shape says is taken for ours; the
// shape may be nil.
func (o *Object) written(shape *Shape) map[field]bool {
	ours, others := map[field]bool{}, map[field]bool{}
	if len(o.Meta.ManagedFields) == 0 && shape != nil {
		present := o.entries()
		for at, value := range shape.entries() {
			if found, ok := present[at]; ok && found == value {
				ours[at] = true
			}
		}
	}
	for _, entry := range o.Meta.ManagedFields {
		switch entry.Manager {
		case FieldManager:
			collect(entry.FieldsV1, ours)
		case beforeFirstApply:
		default:
			collect(entry.FieldsV1, others)
		}
	}
	for claimed := range others {
		delete(ours, claimed)
	}
	return ours
}

// collect adds the entries that a managedFields record names. A record that
// does not parse names none: its fields then count as those of others.
func collect(record *metav1.FieldsV1, into map[field]bool) {
	if record == nil {
		return
	}
	var root struct {
		Text   map[string]json.RawMessage `json:"f:data"`
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
		sectionText:        root.Text,
		sectionBinary:      root.Binary,
		sectionLabels:      root.Meta.Labels,
		sectionAnnotations: root.Meta.Annotations,
	} {
		for name := range entries {
			if key, ok := strings.CutPrefix(name, "f:"); ok {
				into[field{section, key}] = true
			}
		}
	}
}

// isBundle says whether an owner reference names the Bundle, whatever its UID:
// a recreated Bundle takes over the targets of the one before.
func isBundle(reference metav1.OwnerReference, name string) bool {
	group, _, _ := strings.Cut(reference.APIVersion, "/")
	return group == v1alpha1.GroupName && reference.Kind == v1alpha1.BundleKind && reference.Name == name
}

// foreignController gives the owner that controls the object and is not the
// Bundle, or nil.
func (o *Object) foreignController(name string) *metav1.OwnerReference {
	for i, reference := range o.Meta.OwnerReferences {
		if reference.Controller != nil && *reference.Controller && !isBundle(reference, name) {
			return &o.Meta.OwnerReferences[i]
		}
	}
	return nil
}

// isShared says whether the object is a target of the Bundle that also holds
// data of others.
func (o *Object) isShared(name string) bool {
	return o.Meta.Name == name && o.Meta.Labels[v1alpha1.BundleLabelKey] == name &&
		o.Meta.Annotations[v1alpha1.SharedAnnotationKey] == "true"
}

// isControlled says whether the object is a target that the Bundle controls. A
// copy or a restored backup merely carries the label.
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
