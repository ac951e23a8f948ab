package v1alpha1

import (
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// LabelSelector selects the objects whose labels meet all of its requirements. Its
// JSON format and semantics are those of the LabelSelector in k8s.io/apimachinery. It
// is a separate type because the API server can validate it only with size limits.
//
// +kubebuilder:object:generate=false
// +kubebuilder:validation:XValidation:message="a key of matchLabels must be a name of at most 63 letters, digits, '-', '_' and '.' that starts and ends with a letter or digit, optionally after a lower-case DNS name of at most 253 characters and '/'; selectors have no wildcards",rule="!has(self.matchLabels) || self.matchLabels.all(k, k.indexOf('/') <= 253 && k.matches(r'^([a-z\\d]+((-+|\\.)[a-z\\d]+)*/)?[^\\W_]([-\\w.]{0,61}[^\\W_])?$'))"
// +kubebuilder:validation:XValidation:message="a value of matchLabels must be empty, or at most 63 letters, digits, '-', '_' and '.' that start and end with a letter or digit; selectors have no wildcards",rule="!has(self.matchLabels) || self.matchLabels.all(k, self.matchLabels[k].matches(r'^([^\\W_]([-\\w.]{0,61}[^\\W_])?)?$'))"
// +kubebuilder:validation:XValidation:message="an operator must be In, NotIn, Exists or DoesNotExist",rule="!has(self.matchExpressions) || self.matchExpressions.all(e, e.operator in ['In', 'NotIn', 'Exists', 'DoesNotExist'])"
// +kubebuilder:validation:XValidation:message="the operators In and NotIn need values",rule="!has(self.matchExpressions) || self.matchExpressions.all(e, !(e.operator in ['In', 'NotIn']) || has(e.values) && e.values.size() > 0)"
// +kubebuilder:validation:XValidation:message="the operators Exists and DoesNotExist take no values",rule="!has(self.matchExpressions) || self.matchExpressions.all(e, !(e.operator in ['Exists', 'DoesNotExist']) || !has(e.values) || e.values.size() == 0)"
// +kubebuilder:validation:XValidation:message="the DNS name before the '/' of a key must have at most 253 characters",rule="!has(self.matchExpressions) || self.matchExpressions.all(e, e.key.size() <= 253 || e.key.indexOf('/') <= 253)"
type LabelSelector struct {
	// matchLabels are labels that the object must have, at most 100 of them.
	// +optional
	// +kubebuilder:validation:MaxProperties=100
	MatchLabels map[string]LabelValue `json:"matchLabels,omitempty"`

	// matchExpressions are additional requirements on the object's labels, at most 100
	// of them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	MatchExpressions []LabelSelectorRequirement `json:"matchExpressions,omitempty"`
}

// LabelSelectorRequirement is one requirement on an object's labels.
type LabelSelectorRequirement struct {
	// key is the label key that the requirement applies to.
	// +required
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:Pattern=`^(?P<label_key_without_wildcards>([a-z0-9]+((-+|\.)[a-z0-9]+)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)$`
	Key string `json:"key"`

	// operator is the relation of key to values: In, NotIn, Exists or DoesNotExist.
	// +required
	Operator metav1.LabelSelectorOperator `json:"operator"`

	// values are the label values for In and NotIn, which require at least one. Exists
	// and DoesNotExist take none. There are no wildcards.
	// ---
	// The error message consists of the pattern, so a name in it explains it. A CEL rule
	// with a message would need a limit on the number of values.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:Pattern=`^(?P<label_value_without_wildcards>[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$`
	Values []string `json:"values,omitempty"`
}

// ToMetaV1 returns a deep copy of the selector as a [metav1.LabelSelector], or nil if
// s is nil. The meaning of nil depends on the field: [metav1.LabelSelectorAsSelector]
// selects nothing, but [BundleTarget].NamespaceSelector selects every namespace.
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

// LabelValue is the value of a label: empty, or up to 63 letters, digits, '-',
// '_' and '.' that start and end with a letter or digit.
// ---
// CEL rules on the maps enforce these limits, so that the error is reported at the
// map. The wider limit in the schema exists for the API server's estimate of the cost
// of these rules.
//
// +kubebuilder:validation:MaxLength=253
type LabelValue = string
