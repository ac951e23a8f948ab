package walk

import (
	"maps"
	"slices"
)

// settle does what the operator should do.
func (m *model) settle() {
	for name, b := range m.bundles {
		m.build(name, b)
	}
	for at := range m.objects {
		m.reconcile(at)
	}
	for name, b := range m.bundles {
		for _, at := range m.wanted(name, b.revision) {
			m.reconcile(at)
		}
	}
}

// wanted gives the targets that a revision asks for, which may be nil.
func (m *model) wanted(name string, r *revision) []target {
	var list []target
	if r == nil {
		return nil
	}
	for kind := range r.shapes {
		for _, namespace := range m.selected(r) {
			list = append(list, target{name, kind, namespace})
		}
	}
	return list
}

// selected gives the namespaces that a revision selects, in order.
func (m *model) selected(r *revision) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(m.namespaces)) {
		if selects(r.namespaces, m.namespaces[name]) {
			names = append(names, name)
		}
	}
	return names
}

// shape gives what a target should hold, nil where it is not wanted.
func (m *model) shape(at target) map[field]value {
	b, has := m.bundles[at.bundle], m.namespaces[at.namespace]
	if b == nil || b.revision == nil || has == nil || !selects(b.revision.namespaces, has) {
		return nil
	}
	return b.revision.shapes[at.kind]
}

// asked gives what a Bundle asks for in targets of a kind, wherever it wants them.
func (m *model) asked(at target) map[field]value {
	if b := m.bundles[at.bundle]; b != nil && b.revision != nil {
		return b.revision.shapes[at.kind]
	}
	return nil
}

// reconcile brings one object to where the operator should bring it.
func (m *model) reconcile(at target) {
	b, o := m.bundles[at.bundle], m.objects[at]
	switch {
	case b != nil && b.revision == nil:
		// Nothing is built in this run of the operator: targets are left as they
		// are (S11).
	case m.shape(at) != nil:
		if o == nil {
			o = newObject()
			m.objects[at] = o
		}
		o.converge(m.shape(at))
	case o == nil || !o.isTargetOf(at.bundle, b == nil):
		// A copy that merely carries the label is left alone (T6).
	default:
		o.release(m.asked(at), m.orphaned[at.bundle])
		if len(o.entries) == 0 {
			delete(m.objects, at)
		}
	}
}

// converge makes an object the wanted target (T4, T6, T7).
func (o *object) converge(shape map[field]value) {
	if o.untracked {
		o.apply(byOperatorApply, shape) // once; then the normal way (ADR 4)
	}
	want := maps.Clone(shape)
	var stale []field
	shared := false
	for at, now := range o.entries {
		_, wanted := shape[at]
		_, otherForm := shape[at.otherForm()]
		switch {
		case wanted:
		case otherForm || now.claims.ours() || at.isMark():
			stale = append(stale, at)
		default:
			shared = shared || at.isData()
		}
	}
	o.update(byOperator, nil, stale...)
	o.owner = full
	if shared {
		want[sharedMark] = value{text: "true"}
		o.owner = owner{}
	}
	o.update(byOperator, want)
}

// isTargetOf says whether an object that is not wanted is the operator's to
// release: controlled by the Bundle, which garbage collection sees to when it is
// gone, or marked as shared (T6, T12).
func (o *object) isTargetOf(bundle string, gone bool) bool {
	return o.holds(bundleLabel, bundle) &&
		(o.owner.present && o.owner.controller && !gone || o.holds(sharedMark, "true"))
}

// release takes out of an object what the operator has written. After a deletion
// that left the targets, these are the marks alone (ADR 7).
func (o *object) release(shape map[field]value, orphaned bool) {
	for at, now := range o.entries {
		wanted, known := shape[at]
		ours := now.claims.ours() || o.untracked && known && now.value == wanted
		if at.isMark() || ours && !orphaned {
			delete(o.entries, at)
		}
	}
	o.owner = owner{}
}
