package walk

import (
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/model"
)

// bundleNames are all Bundles that there can be.
var bundleNames = []string{"walk-a", "walk-b", "walk-c", "walk-d"}

// bundleAction makes or changes a Bundle. A source that changes at the same time
// would make a difference on the way: the operator watches them one by one.
func bundleAction(name, text string, spec v1alpha1.BundleSpec) *action {
	return &action{
		text:    fmt.Sprintf("Bundle %s: %s", name, text),
		changes: []string{contentOf(name), shapeOf(name)},
		needs:   readBy(spec),
	}
}

// readBy gives all sources that a spec may read.
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
	name, spec := pick(c, names...), c.spec(m)
	a := bundleAction(name, "made, "+describe(spec), spec)
	a.model = func(m *state) { m.createBundle(name, spec) }
	a.do = func(w *world) error { return w.createBundle(name, spec) }
	return a
}

// createBundle makes a Bundle, once one of the name that is on its way out is
// gone.
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
		name = m.recent[0].Bundle // others have just been at its targets
	}
	spec := c.changedSpec(m, m.Bundles[name].Spec)
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

// remakeBundle deletes a Bundle and makes it again at once.
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
		spec = c.changedSpec(m, spec)
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

// ownsNothingOfOthers says that others have nothing in objects that the Bundle
// owns. Otherwise, where a Bundle is deleted in the background and made again, it
// is up to chance whether garbage collection takes that along or the new Bundle is
// first to take the object over.
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

// blocks says that a deletion in the foreground waits for all that the Bundle owns.
func (m *state) blocks(name string) bool {
	for at, o := range m.Objects {
		if at.Bundle == name && o.Owner.Present && !o.Owner.Blocking {
			return false
		}
	}
	return true
}

// outcomeIsCertain says whether what becomes of objects that a Bundle shares with
// others is the same whether or not the operator looks in the moment without a
// Bundle. If it does, it releases them, but for their data where the Bundle was
// deleted without its targets. If not, it is for the new Bundle to take them over
// or to release them, and that one may not be built.
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

// builds says whether a spec can be built as things are.
func (m *state) builds(name string, spec v1alpha1.BundleSpec) bool {
	b := &model.Bundle{Spec: spec}
	m.Build(name, b)
	return b.Revision != nil
}

// awaitNoBundle waits until there is no Bundle of a name.
func (w *world) awaitNoBundle(name string) error {
	return w.await("Bundle "+name+" to be gone", func() error {
		err := w.api.Get(w.ctx, client.ObjectKey{Name: name}, &v1alpha1.Bundle{})
		if err == nil {
			return fmt.Errorf("it is there")
		}
		return client.IgnoreNotFound(err)
	})
}

// retry does again what came too late because somebody else had written first.
func (w *world) retry(do func() error) error {
	for {
		if err := do(); !apierrors.IsConflict(err) {
			return err
		}
	}
}
