package walk

import (
	"encoding/base64"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// path gives where an entry stands in the object.
func (f field) path() []string { return append(pathOf(f.section), f.key) }

func pathOf(section string) []string {
	if section == labels || section == annotations {
		return []string{"metadata", section}
	}
	return []string{section}
}

// encoded gives values as JSON has them.
func encoded(kind string, set map[field]value) map[field]any {
	all := map[field]any{}
	for at, value := range set {
		if at.section == binaryData || at.section == data && kind == secret {
			all[at] = base64.StdEncoding.EncodeToString([]byte(value.text))
		} else {
			all[at] = value.text
		}
	}
	return all
}

func (w *world) edit(e *edit) error {
	return w.retry(func() error {
		object := e.at.empty()
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

// change edits an object that is to be updated.
func (e *edit) change(object *unstructured.Unstructured) error {
	for _, at := range e.drop {
		unstructured.RemoveNestedField(object.Object, at.path()...)
	}
	for at, value := range encoded(e.at.kind, e.set) {
		if err := unstructured.SetNestedField(object.Object, value, at.path()...); err != nil {
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

// body gives an edit as a patch of an object as it is.
func (e *edit) body(live *unstructured.Unstructured) ([]byte, error) {
	set := encoded(e.at.kind, e.set)
	for _, at := range e.keep {
		now, there, err := unstructured.NestedFieldNoCopy(live.Object, at.path()...)
		if err != nil || !there {
			return nil, fmt.Errorf("%s has no %s to keep: %w", e.at, at, err)
		}
		set[at] = now
	}
	for _, at := range e.drop {
		set[at] = nil
	}
	patch := e.at.empty().Object
	for at, value := range set {
		if err := unstructured.SetNestedField(patch, value, at.path()...); err != nil {
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
