package model

import (
	"fmt"
	"maps"
	"slices"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/api/trust/v1alpha1"
)

// Owner is an object's owner reference to the Bundle of the same name.
type Owner struct{ Present, Controller, Blocking bool }

// FullOwner is the reference that a target without foreign data has (T4).
var FullOwner = Owner{true, true, true}

// Observed is a ConfigMap, a Secret or a ClusterTrustBundle as the API server returned it.
type Observed struct {
	ResourceVersion string
	Entries         map[Field]string
	Owner           Owner
	// OwnerUID is the UID in that reference.
	OwnerUID string
	// Others counts other owner references and the finalizers.
	Others int
}

// Observe reads a ConfigMap, a Secret or a ClusterTrustBundle. For any other object it returns nil.
func Observe(obj any) (Target, *Observed) {
	o := &Observed{Entries: map[Field]string{}}
	var meta metav1.ObjectMeta
	kind := ConfigMap
	switch obj := obj.(type) {
	case *corev1.ConfigMap:
		meta = obj.ObjectMeta
		collect(o, Data, obj.Data)
		collect(o, BinaryData, obj.BinaryData)
	case *corev1.Secret:
		kind, meta = Secret, obj.ObjectMeta
		collect(o, Data, obj.Data)
	case *certificatesv1.ClusterTrustBundle:
		kind, meta = ClusterTrustBundle, obj.ObjectMeta
		o.Entries[TrustBundle] = obj.Spec.TrustBundle
	default:
		return Target{}, nil
	}
	o.ResourceVersion = meta.ResourceVersion
	collect(o, Labels, meta.Labels)
	collect(o, Annotations, meta.Annotations)
	o.Others = len(meta.Finalizers)
	for _, ref := range meta.OwnerReferences {
		if ref.Kind != v1alpha1.BundleKind || ref.Name != meta.Name || o.Owner.Present {
			o.Others++
			continue
		}
		o.OwnerUID = string(ref.UID)
		o.Owner = Owner{true, isTrue(ref.Controller), isTrue(ref.BlockOwnerDeletion)}
	}
	return Target{meta.Name, kind, meta.Namespace}, o
}

func collect[V string | []byte](o *Observed, section string, from map[string]V) {
	for key, value := range from {
		o.Entries[Field{section, key}] = string(value)
	}
}

func isTrue(p *bool) bool { return p != nil && *p }

// Fields returns the fields in order.
func (o *Observed) Fields() []Field { return slices.SortedFunc(maps.Keys(o.Entries), CompareFields) }

// Check returns how an observed object differs from the expected one.
func (o *Object) Check(got *Observed) error {
	fields := slices.AppendSeq(got.Fields(), maps.Keys(o.Entries))
	slices.SortFunc(fields, CompareFields)
	for _, at := range slices.Compact(fields) {
		want, wanted := o.Entries[at]
		value, present := got.Entries[at]
		switch {
		case !wanted:
			return fmt.Errorf("%s is present and should not be: %s", at, describe(value))
		case !present:
			return fmt.Errorf("%s is missing, want %s", at, want.Value)
		}
		if err := want.Value.Check(value); err != nil {
			return fmt.Errorf("%s %w", at, err)
		}
	}
	if o.Owner != got.Owner || got.Others != 0 {
		return fmt.Errorf("the owner reference is %+v, beside %d others and finalizers, want %+v alone", got.Owner, got.Others, o.Owner)
	}
	return nil
}
