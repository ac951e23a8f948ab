package walk

import (
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/kinds"
	"trust-manager.io/test/framework/model"
)

// bundleNames are the names of all Bundles that can exist.
// Half of them are ClusterBundles.
var bundleNames = []string{"walk-a", "walk-b", kinds.Prefix + "walk-c", kinds.Prefix + "walk-d"}

// bundleAction creates or changes a Bundle. A concurrent change of a source would lead
// to different intermediate states: the operator watches Bundles and sources separately.
func bundleAction(name, text string, spec v1alpha1.BundleSpec) *action {
	return &action{
		text:    fmt.Sprintf("Bundle %s: %s", name, text),
		changes: []string{contentOf(name), shapeOf(name)},
		needs:   readBy(spec),
	}
}

// readBy returns all sources that a spec may read.
func readBy(spec v1alpha1.BundleSpec) []string {
	var all []string
	for _, one := range spec.Sources {
		if one.UseDefaultCAs != nil {
			all = append(all, defaultPackage)
		}
		for _, at := range sourceNames {
			if from := objectOf(one, at.Kind); from != nil && (from.Selector != nil || from.Name == at.Name) {
				all = append(all, at.String())
			}
		}
	}
	return all
}

func createBundle(c *chance, m *state) *action {
	names := missing(bundleNames, m.Bundles)
	if len(names) == 0 {
		return nil
	}
	name := pick(c, names...)
	spec := kinds.Canonical(name, c.spec(m))
	a := bundleAction(name, "made, "+describe(spec), spec)
	a.model = func(m *state) { m.createBundle(name, spec) }
	a.do = func(w *world) error { return w.createBundle(name, spec) }
	return a
}

// createBundle creates a Bundle, once a terminating one of the name is gone.
func (w *world) createBundle(name string, spec v1alpha1.BundleSpec) error {
	if err := w.awaitNoBundle(name); err != nil {
		return err
	}
	return w.api.Create(w.ctx, &v1alpha1.Bundle{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec})
}

func changeBundle(c *chance, m *state) *action {
	names := m.existingBundles()
	if len(names) == 0 {
		return nil
	}
	name := pick(c, names...)
	if len(m.recent) > 0 && m.Bundles[m.recent[0].Bundle] != nil && c.percent(50) {
		name = m.recent[0].Bundle // its targets have just been edited
	}
	spec := kinds.Canonical(name, c.changedSpec(m, m.Bundles[name].Spec))
	a := bundleAction(name, "now "+describe(spec), spec)
	a.model = func(m *state) { m.Bundles[name].Spec = spec }
	a.do = func(w *world) error {
		return w.retry(func() error {
			var now v1alpha1.Bundle
			if err := w.api.Get(w.ctx, client.ObjectKey{Name: name}, &now); err != nil {
				return err
			}
			now.Spec = spec
			return w.api.Update(w.ctx, &now)
		})
	}
	return a
}

func deleteBundle(c *chance, m *state) *action {
	names := m.existingBundles()
	if len(names) < 3 {
		return nil // enough is to be going on
	}
	name := pick(c, names...)
	policy := pick(c, metav1.DeletePropagationBackground, metav1.DeletePropagationForeground, metav1.DeletePropagationOrphan)
	a := bundleAction(name, "deleted, "+string(policy), v1alpha1.BundleSpec{})
	a.calm = true
	a.model = func(m *state) { m.deleteBundle(name, policy) }
	a.do = func(w *world) error { return w.deleteBundle(name, policy) }
	return a
}

func (w *world) deleteBundle(name string, policy metav1.DeletionPropagation) error {
	bundle := &v1alpha1.Bundle{ObjectMeta: metav1.ObjectMeta{Name: name}}
	return w.api.Delete(w.ctx, bundle, client.PropagationPolicy(policy))
}

// remakeBundle deletes a Bundle and re-creates it at once.
func remakeBundle(c *chance, m *state) *action {
	names := m.existingBundles()
	if len(names) == 0 {
		return nil
	}
	name := pick(c, names...)
	policies := []metav1.DeletionPropagation{metav1.DeletePropagationOrphan}
	if m.ownsNothingOfOthers(name) {
		policies = append(policies, metav1.DeletePropagationBackground, metav1.DeletePropagationForeground)
	} else if m.blocks(name) {
		policies = append(policies, metav1.DeletePropagationForeground)
	}
	policy, spec := pick(c, policies...), m.Bundles[name].Spec
	if c.percent(50) {
		spec = kinds.Canonical(name, c.changedSpec(m, spec))
	}
	if m.running && !m.outcomeIsCertain(name, policy, spec) {
		return nil
	}
	a := bundleAction(name, fmt.Sprintf("deleted, %s, and made again, %s", policy, describe(spec)), spec)
	a.calm = true
	a.model = func(m *state) {
		m.deleteBundle(name, policy)
		m.createBundle(name, spec)
	}
	a.do = func(w *world) error {
		if err := w.deleteBundle(name, policy); err != nil {
			return err
		}
		return w.createBundle(name, spec)
	}
	return a
}

// ownsNothingOfOthers reports whether the objects that the Bundle owns have no foreign
// content. Otherwise, if a Bundle is deleted in the background and re-created, it
// depends on timing whether garbage collection deletes the object or the new Bundle
// adopts it first.
func (m *state) ownsNothingOfOthers(name string) bool {
	for at, o := range m.Objects {
		if at.Bundle != name || !o.Owner.Present {
			continue
		}
		for at, now := range o.Entries {
			if !at.IsMark() && !now.Claims.Ours() {
				return false
			}
		}
	}
	return true
}

// blocks reports whether a deletion in the foreground waits for all that the Bundle owns.
func (m *state) blocks(name string) bool {
	for at, o := range m.Objects {
		if at.Bundle == name && o.Owner.Present && !o.Owner.Blocking {
			return false
		}
	}
	return true
}

// outcomeIsCertain reports whether the outcome for shared objects is the same whether
// or not the operator reconciles between the deletion and the re-creation of a Bundle.
// If it does, it releases them, but keeps the data if the Bundle was deleted without its
// targets. If not, the new Bundle adopts or releases them, and that one may fail to
// build.
func (m *state) outcomeIsCertain(name string, policy metav1.DeletionPropagation, spec v1alpha1.BundleSpec) bool {
	next := &model.Bundle{Spec: spec}
	m.Build(name, next)
	wanted := m.Wanted(name, next.Revision)
	for at, o := range m.Objects {
		if at.Bundle != name || !o.Holds(model.SharedMark, "true") {
			continue
		}
		if next.Revision == nil || policy == metav1.DeletePropagationOrphan && !slices.Contains(wanted, at) {
			return false
		}
	}
	return true
}

// builds reports whether a spec can be built from the current sources.
func (m *state) builds(name string, spec v1alpha1.BundleSpec) bool {
	b := &model.Bundle{Spec: spec}
	m.Build(name, b)
	return b.Revision != nil
}

// awaitNoBundle waits until a Bundle does not exist.
func (w *world) awaitNoBundle(name string) error {
	return w.await("Bundle "+name+" to be gone", func() error {
		err := w.api.Get(w.ctx, client.ObjectKey{Name: name}, &v1alpha1.Bundle{})
		if err == nil {
			return fmt.Errorf("it is there")
		}
		return client.IgnoreNotFound(err)
	})
}

// retry retries do on a conflict.
func (w *world) retry(do func() error) error {
	for {
		if err := do(); !apierrors.IsConflict(err) {
			return err
		}
	}
}
