package walk

import (
	"encoding/base64"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/test/framework/model"
)

// path returns the path of an entry in the object.
func path(f model.Field) []string { return append(pathOf(f.Section), f.Key) }

func pathOf(section string) []string {
	if section == model.Labels || section == model.Annotations {
		return []string{"metadata", section}
	}
	return []string{section}
}

// encoded returns values in their JSON form.
func encoded(kind string, set map[model.Field]model.Value) map[model.Field]any {
	all := map[model.Field]any{}
	for at, value := range set {
		if at.Section == model.BinaryData || at.Section == model.Data && kind == model.Secret {
			all[at] = base64.StdEncoding.EncodeToString([]byte(value.Text))
		} else {
			all[at] = value.Text
		}
	}
	return all
}

func (w *world) edit(e *edit) error {
	return w.retry(func() error {
		object := empty(e.at)
		if err := w.api.Get(w.ctx, client.ObjectKeyFromObject(object), object); err != nil {
			return err
		}
		manager := client.FieldOwner(e.manager)
		if e.way == update {
			if err := e.change(object); err != nil {
				return err
			}
			return w.wrote(object, w.api.Update(w.ctx, object, manager))
		}
		body, err := e.body(object)
		if err != nil {
			return err
		}
		way := map[string]types.PatchType{
			mergePatch: types.MergePatchType, strategicPatch: types.StrategicMergePatchType, serverApply: types.ApplyPatchType,
		}[e.way]
		options := []client.PatchOption{manager}
		if e.way == serverApply {
			options = append(options, client.ForceOwnership)
		}
		return w.wrote(object, w.api.Patch(w.ctx, object, client.RawPatch(way, body), options...))
	})
}

// change applies the edit to an object, for an update.
func (e *edit) change(object *unstructured.Unstructured) error {
	for _, at := range e.drop {
		unstructured.RemoveNestedField(object.Object, path(at)...)
	}
	for at, value := range encoded(e.at.Kind, e.set) {
		if err := unstructured.SetNestedField(object.Object, value, path(at)...); err != nil {
			return err
		}
	}
	owners := object.GetOwnerReferences()
	for i := range owners {
		switch e.owner {
		case ownerNoController:
			owners[i].Controller = nil
		case ownerNotBlocking:
			owners[i].BlockOwnerDeletion = nil
		}
	}
	if e.owner == ownerDropped {
		owners = nil
	}
	object.SetOwnerReferences(owners)
	if e.clear {
		object.SetManagedFields([]metav1.ManagedFieldsEntry{{}})
	}
	return nil
}

// body returns an edit as a patch of a live object.
func (e *edit) body(live *unstructured.Unstructured) ([]byte, error) {
	set := encoded(e.at.Kind, e.set)
	for _, at := range e.keep {
		now, there, err := unstructured.NestedFieldNoCopy(live.Object, path(at)...)
		if err != nil || !there {
			return nil, fmt.Errorf("%s has no %s to keep: %w", e.at, at, err)
		}
		set[at] = now
	}
	for _, at := range e.drop {
		set[at] = nil
	}
	patch := empty(e.at).Object
	for at, value := range set {
		if err := unstructured.SetNestedField(patch, value, path(at)...); err != nil {
			return nil, err
		}
	}
	if e.clear {
		if err := unstructured.SetNestedField(patch, []any{map[string]any{}}, "metadata", "managedFields"); err != nil {
			return nil, err
		}
	}
	return runtime.Encode(unstructured.UnstructuredJSONScheme, &unstructured.Unstructured{Object: patch})
}
