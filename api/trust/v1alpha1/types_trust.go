package v1alpha1

// BundleFilters say what becomes of certificates that seldom belong into a trust
// store. A certificate that one filter drops is not looked at by the others.
type BundleFilters struct {
	// expired is about certificates that are past their NotAfter. They are dropped
	// or rejected from the moment on at which they expire.
	// +optional
	Expired FilterAction `json:"expired,omitempty"`

	// notCA is about certificates that are not a CA by their basic constraints,
	// such as a server's.
	// +optional
	NotCA FilterAction `json:"notCA,omitempty"`

	// notSelfSigned is about certificates that are not signed with their own key
	// in their own name, such as intermediates. Keep if unset, whatever the flags
	// of the operator.
	// +optional
	NotSelfSigned FilterAction `json:"notSelfSigned,omitempty"`
}

// FilterAction is what becomes of a certificate that a filter is about.
//
// +kubebuilder:validation:Enum=Keep;Drop;Reject
type FilterAction string

const (
	// FilterKeep leaves the certificate in the bundle.
	FilterKeep FilterAction = "Keep"

	// FilterDrop leaves it out, and the status counts it.
	FilterDrop FilterAction = "Drop"

	// FilterReject makes the source invalid that has it: nothing is built, and the
	// status names object, key and block.
	FilterReject FilterAction = "Reject"
)
