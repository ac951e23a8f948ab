package walk

import (
	"cmp"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/rig"
)

// target names one object under a Bundle's name, whether it is wanted or not.
type target struct{ bundle, kind, namespace string }

func (t target) String() string { return t.kind + " " + t.namespace + "/" + t.bundle }

func compareTargets(a, b target) int {
	return cmp.Or(cmp.Compare(a.bundle, b.bundle), cmp.Compare(a.kind, b.kind), cmp.Compare(a.namespace, b.namespace))
}

// model is what the cluster should look like. Actions change it as they change
// the cluster, and settle does what the operator should.
type model struct {
	// namespaces has the labels of all namespaces of the cluster.
	namespaces map[string]map[string]string
	bundles    map[string]*bundle
	sources    map[source]*content
	// defaultCAs is what the default CA package has, and brokenPackage says that
	// there is no valid file of it at present.
	defaultCAs    []int
	brokenPackage bool
	objects       map[target]*object
	// copies are objects that merely carry the label of a Bundle, by their names.
	copies map[target]bool
	// recent are the last few objects that others have edited.
	recent []target
	// running says that the operator is.
	running bool
	// orphaned are Bundles that this run of the operator has seen to be deleted
	// without their targets.
	orphaned map[string]bool

	// What the present step has done, for the judgement of events on the way:
	// deleted are objects that somebody else than the operator deletes, dropped are
	// Bundles that were deleted, and perhaps made again, and cleared are objects
	// whose managedFields were cleared.
	deleted map[target]bool
	dropped map[string]bool
	cleared map[target]bool
}

// systemNamespaces are those that every cluster has, and the one of the sources.
var systemNamespaces = []string{"default", "kube-node-lease", "kube-public", "kube-system", rig.TrustNamespace}

func newModel() *model {
	m := &model{
		namespaces: map[string]map[string]string{},
		bundles:    map[string]*bundle{},
		sources:    map[source]*content{},
		objects:    map[target]*object{},
		copies:     map[target]bool{},
		orphaned:   map[string]bool{},
	}
	for _, name := range systemNamespaces {
		m.namespaces[name] = map[string]string{corev1.LabelMetadataName: name}
	}
	m.beginStep()
	return m
}

func (m *model) beginStep() {
	m.deleted, m.dropped, m.cleared = map[target]bool{}, map[string]bool{}, map[target]bool{}
}

// stop ends the operator: what it had in memory is lost.
func (m *model) stop() {
	m.running = false
	m.orphaned = map[string]bool{}
	for _, b := range m.bundles {
		b.revision = nil
	}
}

// snapshot copies what the judgement of a step compares with.
func (m *model) snapshot() *model {
	copied := *m
	copied.bundles = map[string]*bundle{}
	for name, b := range m.bundles {
		one := *b // revisions are never changed
		copied.bundles[name] = &one
	}
	copied.objects = map[target]*object{}
	for at, o := range m.objects {
		copied.objects[at] = o.clone()
	}
	return &copied
}

// sortedObjects gives the targets that have an object, in order.
func (m *model) sortedObjects() []target {
	return slices.SortedFunc(maps.Keys(m.objects), compareTargets)
}

// anyObject gives the target of some object; most times of one that was edited
// lately, since it is the second edit that finds faults.
func (m *model) anyObject(c *chance) (at target, ok bool) {
	for _, at := range m.recent {
		if m.objects[at] != nil && c.percent(25) {
			return at, true
		}
	}
	all := m.sortedObjects()
	if len(all) == 0 {
		return target{}, false
	}
	return pick(c, all...), true
}

// remember notes an object as edited.
func (m *model) remember(at target) {
	if !slices.Contains(m.recent, at) {
		m.recent = append([]target{at}, m.recent...)
		m.recent = m.recent[:min(len(m.recent), 5)]
	}
}

// remove deletes an object in the name of somebody else than the operator.
func (m *model) remove(at target) {
	delete(m.objects, at)
	m.deleted[at] = true
}

// deleteBundle deletes a Bundle: garbage collection takes what it owns, or the
// owner reference from it.
func (m *model) deleteBundle(name string, policy metav1.DeletionPropagation) {
	delete(m.bundles, name)
	m.dropped[name] = true
	orphan := policy == metav1.DeletePropagationOrphan
	// A deletion without the targets that the operator did not see passes for one
	// of the other kinds (ADR 7).
	m.orphaned[name] = orphan && m.running
	for at, o := range m.objects {
		switch {
		case at.bundle != name || !o.owner.present:
		case orphan:
			o.owner = owner{}
		default:
			m.remove(at)
		}
	}
}

// deleteNamespace deletes a namespace with all that is in it.
func (m *model) deleteNamespace(name string) {
	delete(m.namespaces, name)
	for at := range m.objects {
		if at.namespace == name {
			m.remove(at)
		}
	}
	for at := range m.copies {
		if at.namespace == name {
			delete(m.copies, at)
		}
	}
}

// reasons gives those of which one has to be the Bundle's (C1, S7, S8).
func (b *bundle) reasons() []string {
	if len(b.problems) > 0 {
		return b.problems
	}
	return []string{v1alpha1.BundleReasonSynced}
}
