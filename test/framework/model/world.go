package model

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/api/trust/v1alpha1"
)

// World is a state of the cluster, as far as the contract depends on it.
type World struct {
	// Namespaces has the labels of each namespace that is neither terminating nor gone.
	Namespaces map[string]map[string]string
	Bundles    map[string]*Bundle
	Sources    map[Source]*Content
	// DefaultCAs are the certificates of the default CA package.
	DefaultCAs []string
	// ExpiredAt is the operator's clock if it filters expired certificates.
	ExpiredAt time.Time
	// Refused are targets that the operator cannot write (T8).
	Refused map[Target]bool
	// Adopted are targets whose objects existed before (T4), for a History: [World.Settle]
	// finds out by itself.
	Adopted map[Target]bool

	// Objects are the objects that have the name of a Bundle.
	Objects map[Target]*Object
	// Orphaned are Bundles that this run of the operator saw deleted without their targets.
	Orphaned map[string]bool
}

// NewWorld returns an empty world.
func NewWorld() *World {
	return &World{
		Namespaces: map[string]map[string]string{}, Bundles: map[string]*Bundle{}, Sources: map[Source]*Content{},
		Refused: map[Target]bool{}, Adopted: map[Target]bool{}, Objects: map[Target]*Object{}, Orphaned: map[string]bool{},
	}
}

// Clone returns a copy for comparison with later states.
func (w *World) Clone() *World {
	copied := *w
	copied.Bundles, copied.Objects = map[string]*Bundle{}, map[Target]*Object{}
	for name, b := range w.Bundles {
		bundle := *b // revisions and memories are never changed
		copied.Bundles[name] = &bundle
	}
	for at, o := range w.Objects {
		copied.Objects[at] = o.Clone()
	}
	return &copied
}

// Settle does what the operator should do.
func (w *World) Settle() {
	for name, b := range w.Bundles {
		w.Build(name, b)
	}
	for at := range w.Objects {
		w.reconcile(at)
	}
	for name, b := range w.Bundles {
		for _, at := range w.Wanted(name, b.Revision) {
			w.reconcile(at)
		}
	}
}

// Wanted returns the targets that a revision, which may be nil, of a Bundle asks for.
func (w *World) Wanted(name string, r *Revision) []Target {
	var list []Target
	if r == nil {
		return nil
	}
	for kind := range r.Shapes {
		if kind == ClusterTrustBundle {
			list = append(list, Target{name, kind, ""})
			continue
		}
		for _, namespace := range w.Selected(r) {
			list = append(list, Target{name, kind, namespace})
		}
	}
	return list
}

// Selected returns the namespaces that a revision selects, in order.
func (w *World) Selected(r *Revision) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(w.Namespaces)), func(name string) bool {
		return !r.selects(w.Namespaces[name])
	})
}

// Shape returns the entries that a target should have, or nil if it is not wanted.
func (w *World) Shape(at Target) map[Field]Value {
	b, has := w.Bundles[at.Bundle], w.Namespaces[at.Namespace]
	if b == nil || b.Revision == nil || at.Kind != ClusterTrustBundle && (has == nil || !b.Revision.selects(has)) {
		return nil
	}
	return b.Revision.Shapes[at.Kind]
}

// Asked returns the entries that a Bundle asks for in targets of a kind, in whatever
// namespace.
func (w *World) Asked(at Target) map[Field]Value {
	if b := w.Bundles[at.Bundle]; b != nil && b.Revision != nil {
		return b.Revision.Shapes[at.Kind]
	}
	return nil
}

// reconcile brings one object to the state to which the operator should bring it.
func (w *World) reconcile(at Target) {
	b, o := w.Bundles[at.Bundle], w.Objects[at]
	switch {
	case b != nil && b.Revision == nil:
		// Nothing was built in this run of the operator: targets remain as they are (S11).
	case w.Shape(at) != nil && w.isRefused(at):
	case w.Shape(at) != nil:
		if o == nil {
			o = NewObject()
			o.Known = true
			w.Objects[at] = o
		}
		o.converge(at, w.outlives(at.Bundle), w.Shape(at))
	case o == nil:
	case !o.isTargetOf(at, b == nil):
		// A copy that only has the label is left alone (T6).
		o.Known = false
	case o.release(w.Asked(at), w.Orphaned[at.Bundle]) || at.Kind == ClusterTrustBundle && !w.Orphaned[at.Bundle]:
		delete(w.Objects, at)
	}
}

// outlives reports whether the targets of a Bundle outlive it.
func (w *World) outlives(bundle string) bool {
	b := w.Bundles[bundle]
	return b != nil && b.Revision != nil && b.Revision.to != nil && b.Revision.to.DeletionPolicy == v1alpha1.DeletionPolicyOrphan
}

// isRefused reports whether the operator cannot write, or must not change, a target.
func (w *World) isRefused(at Target) bool {
	o := w.Objects[at]
	if at.Kind == ClusterTrustBundle && o != nil {
		_, isNew := o.isAdopted(at.Bundle)
		return isNew // F3
	}
	return w.Refused[at] || o != nil && o.Refuses(at.Bundle, w.Bundles[at.Bundle].Revision.to.Overwrite, w.Shape(at))
}

// Reasons returns the reasons of which the condition Synced must have one (C1, C2, S7, S8).
func (w *World) Reasons(name string) []string {
	b := w.Bundles[name]
	if len(b.Problems) > 0 {
		return b.Problems
	}
	var reasons []string
	for _, at := range w.Wanted(name, b.Revision) {
		switch {
		case !w.isRefused(at):
		case at.Kind == ConfigMap:
			reasons = append(reasons, v1alpha1.BundleReasonSyncConfigMapTargetFailed)
		case at.Kind == ClusterTrustBundle:
			reasons = append(reasons, v1alpha1.BundleReasonSyncClusterTrustBundleTargetFailed)
		default:
			reasons = append(reasons, v1alpha1.BundleReasonSyncSecretTargetFailed)
		}
	}
	if len(reasons) > 0 {
		return reasons
	}
	return []string{v1alpha1.BundleReasonSynced}
}

// CheckCondition returns the condition Synced of a Bundle, and an error unless it is for
// the current generation and has one of the reasons, and Ready agrees with it.
func CheckCondition(bundle *v1alpha1.Bundle, reasons []string) (*metav1.Condition, error) {
	condition := meta.FindStatusCondition(bundle.Status.Conditions, v1alpha1.BundleConditionSynced)
	if condition == nil {
		return nil, fmt.Errorf("Bundle %s has no condition Synced", bundle.Name)
	}
	if condition.ObservedGeneration != bundle.Generation || !slices.Contains(reasons, condition.Reason) {
		return condition, fmt.Errorf("Bundle %s: the condition is for generation %d of %d, with reason %s: %s; want one of %s",
			bundle.Name, condition.ObservedGeneration, bundle.Generation, condition.Reason, condition.Message, reasons)
	}
	// While a change rolls out, Synced stays as it was.
	ready := meta.FindStatusCondition(bundle.Status.Conditions, v1alpha1.BundleConditionReady)
	if ready == nil || ready.Reason != condition.Reason || bundle.Status.ObservedGeneration != bundle.Generation {
		return condition, fmt.Errorf("Bundle %s: Ready is %+v and the status is for generation %d, want the reason %s and generation %d",
			bundle.Name, ready, bundle.Status.ObservedGeneration, condition.Reason, bundle.Generation)
	}
	return condition, nil
}
