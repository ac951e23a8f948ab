package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// BundleInventory summarizes which certificates are in a bundle and which were left
// out. Its size is bounded regardless of the bundle: subjects longer than 128
// characters are truncated to 127 characters followed by "…".
type BundleInventory struct {
	// certificates is the number of certificates in the bundle.
	// +required
	Certificates int32 `json:"certificates"`

	// sources has an entry for each source, in order: up to 100 objects, the default CAs
	// and inline text.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=102
	Sources []SourceInventory `json:"sources,omitempty"`

	// missingSources is the number of sources that existed before and are missing now.
	// They do not block the Bundle, because spec.rotation retains their certificates.
	// +optional
	MissingSources int32 `json:"missingSources,omitempty"`

	// dropped counts the certificates that were dropped from the bundle, by reason.
	// +required
	Dropped DroppedCertificates `json:"dropped"`

	// nonconforming is the number of nonconforming certificates in the bundle, which are
	// in PEM files only.
	// +optional
	Nonconforming int32 `json:"nonconforming,omitempty"`

	// excluded is the number of distinct certificates in the sources that spec.exclude
	// removed.
	// +required
	Excluded int32 `json:"excluded"`

	// retainedCount is the number of certificates that were removed from every source
	// and that spec.rotation retains in the bundle.
	// +optional
	RetainedCount int32 `json:"retainedCount,omitempty"`

	// retained lists the retained certificates, up to 20 of them, starting with those
	// that left their sources first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Retained []RetainedCertificate `json:"retained,omitempty"`

	// nextExpiry is the certificate in the bundle with the earliest expiry, which may
	// be in the past.
	// +optional
	NextExpiry *CertificateExpiry `json:"nextExpiry,omitempty"`
}

// SourceInventory describes the contribution of one source.
type SourceInventory struct {
	// field is the path of the source in the Bundle, such as
	// "spec.sources[0].configMap".
	// +required
	// +kubebuilder:validation:MaxLength=253
	Field string `json:"field"`

	// certificates is the number of certificates that the source adds to the bundle. A
	// certificate in several sources counts for the first of them.
	// +required
	Certificates int32 `json:"certificates"`
}

// DroppedCertificates counts certificates that were dropped from a bundle.
type DroppedCertificates struct {
	// duplicate is the number of certificates that already appear at an earlier position.
	// +required
	Duplicate int32 `json:"duplicate"`

	// expired is the number of certificates dropped because they are past their
	// notAfter time.
	// +required
	Expired int32 `json:"expired"`

	// notCA is the number of certificates dropped because they are not CA certificates.
	// +required
	NotCA int32 `json:"notCA"`

	// notSelfSigned is the number of certificates dropped because they are not
	// self-signed.
	// +required
	NotSelfSigned int32 `json:"notSelfSigned"`

	// nonconforming is the number of nonconforming certificates that were dropped.
	// +optional
	Nonconforming int32 `json:"nonconforming,omitempty"`
}

// CertificateExpiry identifies a certificate and its expiry.
type CertificateExpiry struct {
	// notAfter is the end of the certificate's validity.
	// +required
	NotAfter metav1.Time `json:"notAfter"`

	// subject is the subject of the certificate in RFC 4514 format, truncated if it is
	// longer than 128 characters.
	// +required
	// +kubebuilder:validation:MaxLength=128
	Subject string `json:"subject"`

	// sha256 is the SHA-256 of the DER-encoded certificate, in hexadecimal.
	// +required
	// +kubebuilder:validation:MaxLength=64
	SHA256 string `json:"sha256"`
}

// TargetCounts counts targets. Each object is one target.
type TargetCounts struct {
	// wanted is the number of targets that should exist.
	// +required
	Wanted int32 `json:"wanted"`

	// synced is the number of targets that hold the active bundle.
	// +required
	Synced int32 `json:"synced"`

	// failed is the number of targets that could not be synced.
	// +required
	Failed int32 `json:"failed"`

	// kinds counts the targets of each kind.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	Kinds []TargetKindCounts `json:"kinds,omitempty"`
}

// TargetKindCounts counts the targets of one kind.
type TargetKindCounts struct {
	// kind is ConfigMap, Secret or ClusterTrustBundle.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind"`

	// wanted is the number of targets that should exist.
	// +required
	Wanted int32 `json:"wanted"`

	// synced is the number of targets that hold the active bundle.
	// +required
	Synced int32 `json:"synced"`

	// failed is the number of targets that could not be synced.
	// +required
	Failed int32 `json:"failed"`
}

// RetainedCertificate identifies a certificate that was removed from every source
// and the end of its retention.
type RetainedCertificate struct {
	// subject is the subject of the certificate in RFC 4514 format, truncated if it is
	// longer than 128 characters.
	// +required
	// +kubebuilder:validation:MaxLength=128
	Subject string `json:"subject"`

	// sha256 is the SHA-256 of the DER-encoded certificate, in hexadecimal.
	// +required
	// +kubebuilder:validation:MaxLength=64
	SHA256 string `json:"sha256"`

	// until is the time at which the certificate leaves the bundle.
	// +required
	Until metav1.Time `json:"until"`
}
