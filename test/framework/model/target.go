package model

import (
	"cmp"

	"trust-manager.io/api/trust/v1alpha1"
)

// Kinds of targets and of source objects.
const (
	ConfigMap = "ConfigMap"
	Secret    = "Secret"
	// ClusterTrustBundle is the kind of targets without a namespace.
	ClusterTrustBundle = "ClusterTrustBundle"
)

// Kinds are the kinds of targets.
var Kinds = []string{ConfigMap, Secret, ClusterTrustBundle}

// Target identifies an object that has the name of a Bundle, whether or not the Bundle
// selects it.
type Target struct{ Bundle, Kind, Namespace string }

func (t Target) String() string { return t.Kind + " " + t.Namespace + "/" + t.Bundle }

// CompareTargets orders targets by Bundle, kind and namespace.
func CompareTargets(a, b Target) int {
	return cmp.Or(cmp.Compare(a.Bundle, b.Bundle), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace))
}

// The maps of an object, by their names in Kubernetes.
const (
	Data        = "data"
	BinaryData  = "binaryData"
	Spec        = "spec"
	Labels      = "labels"
	Annotations = "annotations"
)

// Field identifies an entry of an object.
type Field struct{ Section, Key string }

func (f Field) String() string { return f.Section + "/" + f.Key }

// CompareFields orders fields by section and key.
func CompareFields(a, b Field) int {
	return cmp.Or(cmp.Compare(a.Section, b.Section), cmp.Compare(a.Key, b.Key))
}

// IsData reports whether the entry is content, as opposed to metadata.
func (f Field) IsData() bool {
	return f.Section == Data || f.Section == BinaryData || f.Section == Spec
}

// TrustBundle is the content of a ClusterTrustBundle.
var TrustBundle = Field{Spec, "trustBundle"}

// OtherForm returns the field of the same key that a ConfigMap cannot have as well.
func (f Field) OtherForm() Field {
	switch f.Section {
	case Data:
		return Field{BinaryData, f.Key}
	case BinaryData:
		return Field{Data, f.Key}
	}
	return Field{}
}

// The operator's marks on each target (T4).
var (
	BundleLabel = Field{Labels, v1alpha1.BundleLabelKey}
	Hash        = Field{Annotations, v1alpha1.BundleHashAnnotationKey}
	SharedMark  = Field{Annotations, v1alpha1.SharedAnnotationKey}
)

// Consent is the annotation by which a user consents to the loss of other content (T5).
var Consent = Field{Annotations, v1alpha1.AdoptAnnotationKey}

// The values of SharedMark (T4, T15).
const (
	Shared        = "true"
	Adopted       = "adopted"
	Orphan        = "orphan"
	AdoptedOrphan = Adopted + "," + Orphan
)

// Marks are all values of SharedMark.
var Marks = []string{Shared, Adopted, Orphan, AdoptedOrphan}

// IsMark reports whether the field is one of the operator's marks.
func (f Field) IsMark() bool { return f == BundleLabel || f == Hash || f == SharedMark }
