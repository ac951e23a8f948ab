package walk

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/test/framework/model"
)

// objectAction changes an object as a foreign client. Whether the object is desired
// must not change during the step: the order of the action and a release makes a
// difference.
func objectAction(at model.Target, text string) *action {
	return &action{
		text:    fmt.Sprintf("%s: %s", at, text),
		changes: []string{at.String()},
		needs:   []string{shapeOf(at.Bundle), namespaceAt(at.Namespace)},
	}
}

func deleteObject(c *chance, m *state) *action {
	all := m.sortedObjects()
	if len(all) == 0 {
		return nil
	}
	at := pick(c, all...)
	a := objectAction(at, "deleted")
	// Without a revision, the object stays deleted.
	a.needs = append(a.needs, contentOf(at.Bundle))
	a.model = func(m *state) { m.remove(at) }
	a.do = func(w *world) error { return w.api.Delete(w.ctx, empty(at)) }
	return a
}

// empty returns the object to read into, or to write.
func empty(at model.Target) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetAPIVersion("v1")
	if at.Kind == model.ClusterTrustBundle {
		object.SetAPIVersion("certificates.k8s.io/v1")
	}
	object.SetKind(at.Kind)
	object.SetNamespace(at.Namespace)
	object.SetName(at.Bundle)
	return object
}

// createObject creates an object under a Bundle's name where the Bundle has no
// target, or before the Bundle exists: one with foreign data, one that already has
// the target's key, or both.
func createObject(c *chance, m *state) *action {
	at := model.Target{
		Bundle: pick(c, bundleNames...), Kind: pick(c, model.ConfigMap, model.Secret, model.ConfigMap, model.Secret, model.ClusterTrustBundle),
		Namespace: pick(c, slices.Sorted(maps.Keys(m.Namespaces))...),
	}
	if at.Kind == model.ClusterTrustBundle {
		at.Namespace = ""
	}
	if m.Objects[at] != nil || m.running && m.Shape(at) != nil {
		return nil
	}
	set := map[model.Field]model.Value{}
	sections := []string{model.Data, model.Data, model.Labels, model.Annotations}
	if at.Kind == model.ClusterTrustBundle {
		set[model.TrustBundle] = model.Value{Text: pemOf(c.numbers())}
		sections = sections[2:]
	}
	for _, section := range some(c, 3, sections...) {
		key := pick(c, foreignKeys(at.Kind, section)...)
		set[model.Field{Section: section, Key: key}] = model.Value{Text: c.unique("made")}
	}
	if b := m.Bundles[at.Bundle]; b != nil && b.Revision != nil && c.percent(40) {
		// Entries that are already in sync stay owned by their writer.
		for at, right := range b.Revision.Shapes[at.Kind] {
			if at.Section == model.Data && right.Format == "" {
				set[at] = right
			}
		}
	}
	a := objectAction(at, fmt.Sprintf("made with %s", list(set)))
	a.needs = append(a.needs, contentOf(at.Bundle))
	a.model = func(m *state) { m.create(at, set) }
	a.do = func(w *world) error { return w.create(at, encoded(at.Kind, set)) }
	return a
}

func (m *state) create(at model.Target, set map[model.Field]model.Value) {
	o := model.NewObject()
	o.Update(model.ByEditor, set)
	m.Objects[at] = o
	m.remember(at)
}

func (w *world) create(at model.Target, set map[model.Field]any) error {
	object := empty(at)
	for field, value := range set {
		if err := unstructured.SetNestedField(object.Object, value, path(field)...); err != nil {
			return err
		}
	}
	return w.wrote(object, w.api.Create(w.ctx, object, client.FieldOwner("editor")))
}

// copyObject copies a target without its owner to a place where it is not desired:
// to another name, or to the Bundle's name in another namespace.
func copyObject(c *chance, m *state) *action {
	from, ok := m.anyObject(c)
	if !ok || len(m.copies) > 5 || from.Kind == model.ClusterTrustBundle {
		return nil
	}
	to := model.Target{Bundle: from.Bundle, Kind: from.Kind, Namespace: pick(c, slices.Sorted(maps.Keys(m.Namespaces))...)}
	if c.percent(50) {
		to.Bundle = c.unique("walk-copy")
	} else if m.Objects[to] != nil || m.running && m.Shape(to) != nil {
		return nil
	}
	a := objectAction(to, fmt.Sprintf("made as a copy of %s", from))
	a.needs = append(a.needs, contentOf(from.Bundle), shapeOf(from.Bundle), from.String(), namespaceAt(from.Namespace))
	a.model = func(m *state) {
		if to.Bundle != from.Bundle {
			m.copies[to] = true
			return
		}
		set := map[model.Field]model.Value{}
		for at, now := range m.Objects[from].Entries {
			if at != model.SharedMark { // with it, it would not merely carry the label
				set[at] = now.Value
			}
		}
		m.create(to, set)
	}
	a.do = func(w *world) error {
		live := empty(from)
		if err := w.api.Get(w.ctx, client.ObjectKeyFromObject(live), live); err != nil {
			return err
		}
		set := map[model.Field]any{}
		for _, at := range fieldsOf(live) {
			if at != model.SharedMark {
				set[at], _, _ = unstructured.NestedFieldNoCopy(live.Object, path(at)...)
			}
		}
		return w.create(to, set)
	}
	return a
}

// fieldsOf returns all entries of an object.
func fieldsOf(object *unstructured.Unstructured) []model.Field {
	var all []model.Field
	for _, section := range []string{model.Data, model.BinaryData, model.Labels, model.Annotations} {
		entries, _, _ := unstructured.NestedMap(object.Object, pathOf(section)...)
		for key := range entries {
			all = append(all, model.Field{Section: section, Key: key})
		}
	}
	return all
}
