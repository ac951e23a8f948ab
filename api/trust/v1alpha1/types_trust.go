package v1alpha1

// BundleFilters define how to handle certificates that rarely belong in a trust
// store. A certificate that one filter drops is not checked by the others.
type BundleFilters struct {
	// expired applies to certificates that are past their notAfter time. Drop and
	// Reject take effect at the moment of expiry.
	// +optional
	Expired FilterAction `json:"expired,omitempty"`

	// notCA applies to certificates that are not CA certificates according to their
	// basic constraints, such as server certificates.
	// +optional
	NotCA FilterAction `json:"notCA,omitempty"`

	// notSelfSigned applies to certificates that are not self-signed, such as
	// intermediates. If unset, it is Keep, regardless of the operator's flags.
	// +optional
	NotSelfSigned FilterAction `json:"notSelfSigned,omitempty"`

	// nonconforming applies to certificates that have the structure of an X.509
	// certificate and do not conform to RFC 5280 in detail, or use a key that the
	// operator does not support: an unsupported elliptic curve, a negative serial
	// number, a duplicate extension. If unset, it is Reject. With Keep they are in PEM
	// files, and not in JKS and PKCS#12 files, which Java could not read.
	// +optional
	Nonconforming FilterAction `json:"nonconforming,omitempty"`
}

// FilterAction is the action for a certificate that a filter applies to.
//
// +kubebuilder:validation:Enum=Keep;Drop;Reject
type FilterAction string

const (
	// FilterKeep leaves the certificate in the bundle.
	FilterKeep FilterAction = "Keep"

	// FilterDrop leaves the certificate out of the bundle. The status counts it.
	FilterDrop FilterAction = "Drop"

	// FilterReject makes the source of the certificate invalid: the bundle is not
	// built, and the status names the object, key and block.
	FilterReject FilterAction = "Reject"
)

// Exclusion identifies certificates that must not be trusted. Exactly one of sha256,
// publicKeySHA256 and subject must be set.
//
// +kubebuilder:validation:XValidation:message="exactly one of sha256, publicKeySHA256 and subject must be set",rule="[has(self.sha256), has(self.publicKeySHA256), has(self.subject)].exists_one(x, x)"
type Exclusion struct {
	// sha256 matches one certificate by the SHA-256 of its DER encoding: 64 hexadecimal
	// digits in upper or lower case, optionally with a colon after every second digit.
	// "openssl x509 -fingerprint -sha256" prints it.
	// +optional
	SHA256 Fingerprint `json:"sha256,omitempty"`

	// publicKeySHA256 matches every certificate of one key, including reissued and
	// cross-signed ones, by the SHA-256 of the DER-encoded SubjectPublicKeyInfo, in the
	// format of sha256.
	// +optional
	PublicKeySHA256 Fingerprint `json:"publicKeySHA256,omitempty"`

	// subject matches every certificate with this subject: 1 to 1024 characters in RFC
	// 4514 format, exactly as the status shows a subject that is not truncated.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Subject string `json:"subject,omitempty"`

	// comment is a note for people, such as an incident number: up to 256 characters.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Comment string `json:"comment,omitempty"`
}

// Fingerprint is a SHA-256 digest in hexadecimal.
//
// +kubebuilder:validation:MaxLength=95
// +kubebuilder:validation:XValidation:message="a SHA-256 has 64 hexadecimal digits, with or without a colon after every second digit",rule="self.matches('^[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2}){31}$')"
type Fingerprint = string
