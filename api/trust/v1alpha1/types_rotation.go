package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// BundleRotation says which certificates stay in a bundle that have left every
// source. What stays is kept in a ConfigMap in the trust namespace, with a key for
// each certificate: deleting that key ends it at once. A certificate is never
// retained past its NotAfter, and never if it is excluded or filtered.
type BundleRotation struct {
	// retain is how long a certificate stays after it has left every source, such as
	// 72h: 1s at least, and at most 8760h, a year.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:message="retain must be a duration such as 72h, of at least 1s and at most 8760h",rule="self.matches('^([0-9]{1,4}([.][0-9]{1,9})?h|[0-9]{1,6}([.][0-9]{1,9})?m|[0-9]{1,8}([.][0-9]{1,9})?s|[0-9]{1,9}([.][0-9]{1,9})?ms)+$') && duration(self) >= duration('1s') && duration(self) <= duration('8760h')"
	Retain metav1.Duration `json:"retain"`

	// maxRetained is how many certificates are retained at the same time, 1 to 100,
	// and 10 if unset. When there are more, those go first that left first.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	MaxRetained *int32 `json:"maxRetained,omitempty"`
}
