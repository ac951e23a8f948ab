package walk

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// namespaceNames are the namespaces that the walk creates and deletes.
var namespaceNames = []string{"walk-1", "walk-2", "walk-3", "walk-4", "walk-5", "walk-6", "walk-7", "walk-8"}

// namespaceAction changes a namespace, and thereby which Bundles have a target there.
func namespaceAction(m *state, name, text string) *action {
	return &action{
		text:    fmt.Sprintf("namespace %s: %s", name, text),
		changes: append(each(m.existingBundles(), shapeOf), namespaceAt(name)),
	}
}

// withName adds the label that each namespace has.
func withName(has map[string]string, name string) map[string]string {
	has[corev1.LabelMetadataName] = name
	return has
}

func createNamespace(c *chance, m *state) *action {
	names := missing(namespaceNames, m.Namespaces)
	if len(names) == 0 {
		return nil
	}
	name := pick(c, names...)
	has := withName(c.namespaceLabels(), name)
	a := namespaceAction(m, name, fmt.Sprintf("made, %v", has))
	a.model = func(m *state) { m.Namespaces[name] = has }
	a.do = func(w *world) error { return w.createNamespace(name, has) }
	return a
}

// createNamespace creates a namespace, once a terminating one of the name is gone.
func (w *world) createNamespace(name string, has map[string]string) error {
	err := w.await("namespace "+name+" to be gone", func() error {
		err := w.api.Get(w.ctx, client.ObjectKey{Name: name}, &corev1.Namespace{})
		if err == nil {
			return fmt.Errorf("it is there")
		}
		return client.IgnoreNotFound(err)
	})
	if err != nil {
		return err
	}
	return w.api.Create(w.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: has}})
}

// changeable returns the existing namespaces of the walk.
func (m *state) changeable() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(m.Namespaces)), func(name string) bool {
		return slices.Contains(systemNamespaces, name)
	})
}

func labelNamespace(c *chance, m *state) *action {
	names := m.changeable()
	if len(names) == 0 {
		return nil
	}
	name := pick(c, names...)
	has := withName(c.namespaceLabels(), name)
	if maps.Equal(has, m.Namespaces[name]) {
		return nil
	}
	a := namespaceAction(m, name, fmt.Sprintf("labels now %v", has))
	a.model = func(m *state) { m.Namespaces[name] = has }
	a.do = func(w *world) error {
		return w.retry(func() error {
			var now corev1.Namespace
			if err := w.api.Get(w.ctx, client.ObjectKey{Name: name}, &now); err != nil {
				return err
			}
			now.Labels = has
			return w.api.Update(w.ctx, &now)
		})
	}
	return a
}

func deleteNamespace(c *chance, m *state) *action {
	names := m.changeable()
	if len(names) < 5 {
		return nil // enough is to be going on
	}
	name := pick(c, names...)
	a := namespaceAction(m, name, "deleted")
	a.model = func(m *state) { m.deleteNamespace(name) }
	a.do = func(w *world) error {
		return w.api.Delete(w.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	return a
}
