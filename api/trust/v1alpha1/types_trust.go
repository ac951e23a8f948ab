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

// Exclusion names certificates that are not to be trusted. Exactly one of sha256,
// publicKeySHA256 and subject is set.
//
// +kubebuilder:validation:XValidation:message="exactly one of sha256, publicKeySHA256 and subject must be set",rule="[has(self.sha256), has(self.publicKeySHA256), has(self.subject)].exists_one(x, x)"
type Exclusion struct {
	// sha256 names one certificate by the SHA-256 of its DER: 64 hexadecimal digits,
	// in upper or lower case, with or without a colon after each second one. It is
	// what "openssl x509 -fingerprint -sha256" shows.
	// +optional
	SHA256 Fingerprint `json:"sha256,omitempty"`

	// publicKeySHA256 names every certificate of one key, by the SHA-256 of the DER
	// of its SubjectPublicKeyInfo, written as in sha256: also one that is issued
	// anew, or cross-signed.
	// +optional
	PublicKeySHA256 Fingerprint `json:"publicKeySHA256,omitempty"`

	// subject names every certificate of one subject, in just the form that the
	// status shows where it does not cut it (RFC 4514): 1 to 1024 characters.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Subject string `json:"subject,omitempty"`

	// comment is for people, such as the number of an incident: up to 256
	// characters.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Comment string `json:"comment,omitempty"`
}

// Fingerprint is a SHA-256 in hexadecimal.
//
// +kubebuilder:validation:MaxLength=95
// +kubebuilder:validation:XValidation:message="a SHA-256 has 64 hexadecimal digits, with or without a colon after each second one",rule="self.matches('^[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2}){31}$')"
type Fingerprint = string
