package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// BundleRotation defines how long a bundle retains certificates that were removed
// from every source. The operator stores the retained certificates in a ConfigMap in
// the trust namespace, one key per certificate: deleting the key ends the retention
// immediately. A certificate is never retained past its notAfter time, and never if
// it is excluded or filtered.
type BundleRotation struct {
	// retain is how long a certificate stays in the bundle after it was removed from
	// every source, such as 72h. The minimum is 1s, the maximum 8760h (one year).
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:message="retain must be a duration such as 72h, of at least 1s and at most 8760h",rule="self.matches('^([0-9]{1,4}([.][0-9]{1,9})?h|[0-9]{1,6}([.][0-9]{1,9})?m|[0-9]{1,8}([.][0-9]{1,9})?s|[0-9]{1,9}([.][0-9]{1,9})?ms)+$') && duration(self) >= duration('1s') && duration(self) <= duration('8760h')"
	Retain metav1.Duration `json:"retain"`

	// maxRetained limits how many certificates are retained at the same time: 1 to 100,
	// 10 if unset. Beyond the limit, certificates leave the bundle in the order in which
	// they left their sources.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	MaxRetained *int32 `json:"maxRetained,omitempty"`
}
