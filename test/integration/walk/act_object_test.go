package walk

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// objectAction does something to an object as somebody else than the operator.
// It needs the object to be wanted, or not, throughout: whether a release comes
// before or after makes a difference.
func objectAction(at target, text string) *action {
	return &action{
		text:    fmt.Sprintf("%s: %s", at, text),
		changes: []string{objectAt(at)},
		needs:   []string{shapeOf(at.bundle), namespaceAt(at.namespace)},
	}
}

func deleteObject(c *chance, m *model) *action {
	all := m.sortedObjects()
	if len(all) == 0 {
		return nil
	}
	at := pick(c, all...)
	a := objectAction(at, "deleted")
	// Where nothing is built, it stays away.
	a.needs = append(a.needs, contentOf(at.bundle))
	a.model = func(m *model) { m.remove(at) }
	a.do = func(w *world) error { return w.api.Delete(w.ctx, at.empty()) }
	return a
}

// empty gives the object to read into, or to write.
func (t target) empty() *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetAPIVersion("v1")
	object.SetKind(t.kind)
	object.SetNamespace(t.namespace)
	object.SetName(t.bundle)
	return object
}

// createObject makes an object under a Bundle's name where the Bundle has no
// target, or before there is such a Bundle: one with data of its own, one that
// has the target's key already, or both.
func createObject(c *chance, m *model) *action {
	at := target{pick(c, bundleNames...), pick(c, configMap, secret), pick(c, slices.Sorted(maps.Keys(m.namespaces))...)}
	if m.objects[at] != nil || m.running && m.shape(at) != nil {
		return nil
	}
	set := map[field]value{}
	for _, section := range some(c, 3, data, data, labels, annotations) {
		key := pick(c, foreignKeys(at.kind, section)...)
		set[field{section, key}] = value{text: c.unique("made")}
	}
	if b := m.bundles[at.bundle]; b != nil && b.revision != nil && c.percent(40) {
		// What is already right stays of those who wrote it.
		for at, right := range b.revision.shapes[at.kind] {
			if at.section == data && right.format == "" {
				set[at] = right
			}
		}
	}
	a := objectAction(at, fmt.Sprintf("made with %s", list(set)))
	a.needs = append(a.needs, contentOf(at.bundle))
	a.model = func(m *model) { m.create(at, set) }
	a.do = func(w *world) error { return w.create(at, encoded(at.kind, set)) }
	return a
}

func (m *model) create(at target, set map[field]value) {
	o := newObject()
	o.update(byEditor, set)
	m.objects[at] = o
	m.remember(at)
}

func (w *world) create(at target, set map[field]any) error {
	object := at.empty()
	for field, value := range set {
		if err := unstructured.SetNestedField(object.Object, value, field.path()...); err != nil {
			return err
		}
	}
	return w.wrote(object, w.api.Create(w.ctx, object, client.FieldOwner("editor")))
}

// copyObject copies a target as it is, but for the owner, to where it is not
// wanted: to another name, or to the Bundle's name in another namespace.
func copyObject(c *chance, m *model) *action {
	from, ok := m.anyObject(c)
	if !ok || len(m.copies) > 5 {
		return nil
	}
	to := target{from.bundle, from.kind, pick(c, slices.Sorted(maps.Keys(m.namespaces))...)}
	if c.percent(50) {
		to.bundle = c.unique("walk-copy")
	} else if m.objects[to] != nil || m.running && m.shape(to) != nil {
		return nil
	}
	a := objectAction(to, fmt.Sprintf("made as a copy of %s", from))
	a.needs = append(a.needs, contentOf(from.bundle), shapeOf(from.bundle), objectAt(from), namespaceAt(from.namespace))
	a.model = func(m *model) {
		if to.bundle != from.bundle {
			m.copies[to] = true
			return
		}
		set := map[field]value{}
		for at, now := range m.objects[from].entries {
			if at != sharedMark { // with it, it would not merely carry the label
				set[at] = now.value
			}
		}
		m.create(to, set)
	}
	a.do = func(w *world) error {
		live := from.empty()
		if err := w.api.Get(w.ctx, client.ObjectKeyFromObject(live), live); err != nil {
			return err
		}
		set := map[field]any{}
		for _, at := range fieldsOf(live) {
			if at != sharedMark {
				set[at], _, _ = unstructured.NestedFieldNoCopy(live.Object, at.path()...)
			}
		}
		return w.create(to, set)
	}
	return a
}

// fieldsOf gives all entries of an object.
func fieldsOf(object *unstructured.Unstructured) []field {
	var all []field
	for _, section := range []string{data, binaryData, labels, annotations} {
		entries, _, _ := unstructured.NestedMap(object.Object, pathOf(section)...)
		for key := range entries {
			all = append(all, field{section, key})
		}
	}
	return all
}
