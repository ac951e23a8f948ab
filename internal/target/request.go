package target

import (
	"encoding/json"
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Object returns the object that a create or replace sends.
func (a *Action) Object() runtime.Object {
	meta := metav1.ObjectMeta{
		Name:            a.Key.Name,
		Namespace:       a.Key.Namespace,
		UID:             types.UID(a.UID),
		ResourceVersion: a.ResourceVersion,
		Labels:          a.Shape.Labels,
		Annotations:     a.Shape.Annotations,
		OwnerReferences: a.owners(),
	}
	return TypeOf(a.Key.Kind).toAPI(&Object{Meta: meta, Text: a.Shape.Text, Binary: a.Shape.Binary})
}

// owners returns the owner references that a create or replace sends.
func (a *Action) owners() []metav1.OwnerReference {
	if a.Shape.Orphan {
		return nil
	}
	return []metav1.OwnerReference{a.Owner}
}

// PatchBody returns the strategic merge patch that a patch sends. It fails with a conflict
// if the object has changed since it was read.
func (a *Action) PatchBody() ([]byte, error) {
	return a.Changes.patchBody(TypeOf(a.Key.Kind), a.UID, a.ResourceVersion)
}

// ApplyBody returns the apply configuration that an apply sends, in a version of the kind. It makes the API server
// track the operator's entries again, or creates the object if RBAC allows no other way. It
// sets no owner reference if the object may hold foreign data, which is unknown until it is
// read.
func (a *Action) ApplyBody(version schema.GroupVersion) ([]byte, error) {
	annotations := maps.Clone(a.Shape.Annotations)
	for field, value := range a.Changes.Set {
		if field.Section == SectionAnnotations {
			annotations[field.Key] = value
		}
	}
	meta := map[string]any{
		"name":        a.Key.Name,
		"namespace":   a.Key.Namespace,
		"labels":      a.Shape.Labels,
		"annotations": annotations,
	}
	if a.UID != "" {
		meta["uid"], meta["resourceVersion"] = a.UID, a.ResourceVersion
	}
	typ := TypeOf(a.Key.Kind)
	if typ.Exclusive {
		meta["ownerReferences"] = a.owners()
	}
	body := map[string]any{"apiVersion": version.String(), "kind": typ.GVK.Kind, "metadata": meta}
	if len(a.Shape.Text) > 0 {
		body[typ.textSection] = a.Shape.Text
	}
	if len(a.Shape.Binary) > 0 {
		body[typ.binarySection] = a.Shape.Binary
	}
	return json.Marshal(body)
}

// CreatesByApply reports whether an apply is to create the object, and must not overwrite
// one that another client has just created.
func (a *Action) CreatesByApply() bool { return a.Verb == Apply && a.UID == "" }

// DeleteOptions returns the preconditions that a delete sends.
func (a *Action) DeleteOptions() *metav1.DeleteOptions {
	uid := types.UID(a.UID)
	return &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid, ResourceVersion: &a.ResourceVersion}}
}

// IsMutated reports whether an object has to be read again after a write, by the metadata
// in the response. That is so if it still has no managedFields, or if it was created or
// replaced and its metadata is not as it was sent: labels, annotations, owners, finalizers,
// and the keys of data that managedFields list. A key that a webhook adds to the data is in
// no managedFields entry, so only a read shows it.
func (a *Action) IsMutated(response *metav1.ObjectMeta) bool {
	if len(response.ManagedFields) == 0 {
		return true
	}
	if a.Verb != Create && a.Verb != Replace {
		return false
	}
	tracked := map[Field]bool{}
	for _, entry := range response.ManagedFields {
		collect(entry.FieldsV1, tracked)
	}
	data := 0
	for field := range tracked {
		if field.isData() {
			data++
		}
	}
	return data != len(a.Shape.Text)+len(a.Shape.Binary) || len(response.Finalizers) > 0 || len(response.OwnerReferences) != len(a.owners()) ||
		!maps.Equal(response.Labels, a.Shape.Labels) || !maps.Equal(response.Annotations, a.Shape.Annotations)
}
