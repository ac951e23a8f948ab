package v1alpha1

import (
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// LabelSelector selects objects by their labels: those that meet every one of
// its requirements. It has the JSON form and the meaning of the LabelSelector in
// k8s.io/apimachinery, and is a type of its own because it has limits, without
// which the API server could not check it.
type LabelSelector struct {
	// matchLabels are labels that the object must have, at most 100 of them.
	// +optional
	// +kubebuilder:validation:MaxProperties=100
	MatchLabels map[string]string `json:"matchLabels,omitempty"`

	// matchExpressions are further requirements on the object's labels, at most
	// 100 of them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	MatchExpressions []LabelSelectorRequirement `json:"matchExpressions,omitempty"`
}

// LabelSelectorRequirement is one requirement on an object's labels.
type LabelSelectorRequirement struct {
	// key is the label that the requirement is about.
	// +required
	Key string `json:"key"`

	// operator says how key relates to values: In, NotIn, Exists or
	// DoesNotExist.
	// +required
	Operator metav1.LabelSelectorOperator `json:"operator"`

	// values are the label values that In and NotIn compare with; they need at
	// least one. Exists and DoesNotExist take none.
	// +optional
	// +listType=atomic
	Values []string `json:"values,omitempty"`
}

// ToMetaV1 returns a deep copy of the selector as the type of
// k8s.io/apimachinery, and nil for nil. What nil means depends on the field: a
// nil selector selects nothing for metav1.LabelSelectorAsSelector, but every
// namespace as BundleTarget.NamespaceSelector.
func (s *LabelSelector) ToMetaV1() *metav1.LabelSelector {
	if s == nil {
		return nil
	}
	out := &metav1.LabelSelector{MatchLabels: maps.Clone(s.MatchLabels)}
	for _, r := range s.MatchExpressions {
		out.MatchExpressions = append(out.MatchExpressions, metav1.LabelSelectorRequirement{
			Key:      r.Key,
			Operator: r.Operator,
			Values:   slices.Clone(r.Values),
		})
	}
	return out
}
