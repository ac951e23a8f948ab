package walk

import (
	"cmp"
	"maps"
	"slices"

	"trust-manager.io/api/trust/v1alpha1"
)

// The kinds of targets and of sources.
const (
	configMap = "ConfigMap"
	secret    = "Secret"
)

// The maps of an object, by the names that Kubernetes gives them.
const (
	data        = "data"
	binaryData  = "binaryData"
	labels      = "labels"
	annotations = "annotations"
)

// field names one entry of an object.
type field struct{ section, key string }

func (f field) String() string { return f.section + "/" + f.key }

// isData says whether the entry is what the object is there for.
func (f field) isData() bool { return f.section == data || f.section == binaryData }

// otherForm gives the entry that cannot stand beside this one in a ConfigMap.
func (f field) otherForm() field {
	switch f.section {
	case data:
		return field{binaryData, f.key}
	case binaryData:
		return field{data, f.key}
	}
	return field{}
}

// What the operator puts on each target, and what is its own by the name (T4).
var (
	bundleLabel = field{labels, v1alpha1.BundleLabelKey}
	hash        = field{annotations, v1alpha1.BundleHashAnnotationKey}
	sharedMark  = field{annotations, v1alpha1.SharedAnnotationKey}
)

func (f field) isMark() bool { return f == bundleLabel || f == hash || f == sharedMark }

// claims are the field managers that have an entry, as managedFields tell.
type claims uint8

const (
	// byOperator is trust-manager, by updates and patches.
	byOperator claims = 1 << iota
	// byOperatorApply is trust-manager, by applies. Others who use the name pass
	// for the operator: that is how targets are taken over (T5).
	byOperatorApply
	byEditor
	byApplier
	// byNobody is before-first-apply, to which the API server gives all fields of
	// an untracked object at its first apply.
	byNobody
)

// ours says whether the operator takes an entry for its own: nobody else has it,
// and anything in doubt belongs to others (ADR 4).
func (c claims) ours() bool {
	return c&(byOperator|byOperatorApply) != 0 && c&(byEditor|byApplier) == 0
}

type entry struct {
	value  value
	claims claims
}

// owner is an object's reference to the Bundle of its name.
type owner struct{ present, controller, blocking bool }

// full is the reference that a target should have (T4).
var full = owner{true, true, true}

// object is a ConfigMap or Secret under a Bundle's name.
type object struct {
	entries map[field]entry
	owner   owner
	// untracked says that its managedFields were cleared, and nothing was applied
	// since: the API server then records nothing for updates.
	untracked bool
}

func newObject() *object { return &object{entries: map[field]entry{}} }

func (o *object) clone() *object {
	copied := *o
	copied.entries = maps.Clone(o.entries)
	return &copied
}

// fields gives the names of all entries, in order.
func (o *object) fields() []field {
	return slices.SortedFunc(maps.Keys(o.entries), compareFields)
}

func compareFields(a, b field) int {
	return cmp.Or(cmp.Compare(a.section, b.section), cmp.Compare(a.key, b.key))
}

func (o *object) holds(at field, text string) bool {
	return o.entries[at].value == value{text: text}
}

// update does what an update or a patch does, in the name of a manager.
func (o *object) update(manager claims, set map[field]value, drop ...field) {
	if o.untracked {
		manager = 0
	}
	for at, value := range set {
		if now, ok := o.entries[at]; !ok || now.value != value {
			o.entries[at] = entry{value, manager}
		}
	}
	for _, at := range drop {
		delete(o.entries, at)
	}
}

// apply does what a forced server-side apply does, in the name of a manager: an
// entry that the manager has applied before and leaves out now goes, unless
// somebody else has it too.
func (o *object) apply(manager claims, set map[field]value) {
	if o.untracked {
		o.untracked = false
		for at, now := range o.entries {
			o.entries[at] = entry{now.value, byNobody}
		}
	}
	for at, now := range o.entries {
		if _, again := set[at]; again || now.claims&manager == 0 {
			continue
		}
		now.claims &^= manager
		o.entries[at] = now
		if now.claims == 0 {
			delete(o.entries, at)
		}
	}
	for at, value := range set {
		if now, ok := o.entries[at]; ok && now.value == value {
			o.entries[at] = entry{value, now.claims | manager}
		} else {
			o.entries[at] = entry{value, manager}
		}
	}
}

// clear does what clearing managedFields does.
func (o *object) clear() {
	o.untracked = true
	for at, now := range o.entries {
		o.entries[at] = entry{value: now.value}
	}
}
