package walk

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/model"
	"trust-manager.io/test/framework/rig"
)

// state is the model of the cluster, and what the walk remembers of its steps.
type state struct {
	*model.World
	// brokenPackage reports that the file of the default CA package is invalid.
	brokenPackage bool
	// copies are objects that merely have the label of a Bundle, by their names.
	copies map[model.Target]bool
	// recent are the last few objects that foreign clients have edited.
	recent []model.Target
	// left are the memories that have outlived their Bundles.
	left map[string]model.Memory
	// running reports that the operator runs.
	running bool

	// What the current step has done, for the judgement of intermediate events: deleted are
	// objects that another client than the operator deletes, dropped are Bundles that were
	// deleted, and perhaps re-created, and cleared are objects whose managedFields were
	// cleared.
	deleted map[model.Target]bool
	dropped map[string]bool
	cleared map[model.Target]bool
}

// systemNamespaces are the namespaces of every cluster, and the trust namespace.
var systemNamespaces = []string{"default", "kube-node-lease", "kube-public", "kube-system", rig.TrustNamespace}

func newState() *state {
	m := &state{World: model.NewWorld(), copies: map[model.Target]bool{}, left: map[string]model.Memory{}}
	for _, name := range systemNamespaces {
		m.Namespaces[name] = map[string]string{corev1.LabelMetadataName: name}
	}
	m.beginStep()
	return m
}

func (m *state) beginStep() {
	m.deleted, m.dropped, m.cleared = map[model.Target]bool{}, map[string]bool{}, map[model.Target]bool{}
}

// stop ends the operator, which loses its state in memory.
func (m *state) stop() {
	m.running = false
	clear(m.Orphaned)
	for _, b := range m.Bundles {
		b.Revision = nil
	}
	for _, o := range m.Objects {
		o.Known = false
	}
}

// snapshot copies the state that the judgement of a step compares with.
func (m *state) snapshot() *state {
	copied := *m
	copied.World = m.Clone()
	return &copied
}

// sortedObjects returns the sorted targets that have an object.
func (m *state) sortedObjects() []model.Target { return sortedTargets(m.Objects) }

// anyObject returns the target of a random object, usually of a recently edited one, since
// the second edit finds most faults.
func (m *state) anyObject(c *chance) (at model.Target, ok bool) {
	for _, at := range m.recent {
		if m.Objects[at] != nil && c.percent(25) {
			return at, true
		}
	}
	all := m.sortedObjects()
	if len(all) == 0 {
		return model.Target{}, false
	}
	return pick(c, all...), true
}

// remember records an object as edited.
func (m *state) remember(at model.Target) {
	if !slices.Contains(m.recent, at) {
		m.recent = append([]model.Target{at}, m.recent...)
		m.recent = m.recent[:min(len(m.recent), 5)]
	}
}

// remove deletes an object on behalf of another client than the operator.
func (m *state) remove(at model.Target) {
	delete(m.Objects, at)
	m.deleted[at] = true
}

func (m *state) createBundle(name string, spec v1alpha1.BundleSpec) {
	m.Bundles[name] = &model.Bundle{Spec: spec, Memory: m.left[name]}
	delete(m.left, name)
	delete(m.Orphaned, name)
}

// deleteBundle deletes a Bundle: garbage collection deletes the objects that it owns, or
// removes their owner references.
func (m *state) deleteBundle(name string, policy metav1.DeletionPropagation) {
	orphan := policy == metav1.DeletePropagationOrphan
	if memory := m.Bundles[name].Memory; orphan || memory.Outlives {
		m.left[name] = memory
	}
	delete(m.Bundles, name)
	m.dropped[name] = true
	// A deletion with orphaned targets that the operator did not observe counts as another
	// kind (ADR 7).
	m.Orphaned[name] = orphan && m.running
	for at, o := range m.Objects {
		switch {
		case at.Bundle != name || !o.Owner.Present:
		case orphan:
			o.Owner = model.Owner{}
		default:
			m.remove(at)
		}
	}
}

// deleteNamespace deletes a namespace with all objects in it.
func (m *state) deleteNamespace(name string) {
	delete(m.Namespaces, name)
	for at := range m.Objects {
		if at.Namespace == name {
			m.remove(at)
		}
	}
	for at := range m.copies {
		if at.Namespace == name {
			delete(m.copies, at)
		}
	}
}
