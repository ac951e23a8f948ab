package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// BundleInventory says what is in a bundle and what was left out of it. Its size is
// bounded whatever the bundle holds: subjects of more than 128 characters are cut to
// 127 and "…" put in place of the rest.
type BundleInventory struct {
	// certificates is how many certificates are in the bundle.
	// +required
	Certificates int32 `json:"certificates"`

	// sources has each source of the Bundle, in order.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Sources []SourceInventory `json:"sources,omitempty"`

	// missingSources is how many sources are missing though they were there before, and
	// hold nothing up since spec.rotation retains what they had.
	// +optional
	MissingSources int32 `json:"missingSources,omitempty"`

	// dropped counts what the sources have and the bundle has not, by reason.
	// +required
	Dropped DroppedCertificates `json:"dropped"`

	// excluded is how many different certificates of the sources are excluded.
	// +required
	Excluded int32 `json:"excluded"`

	// retainedCount is how many certificates are in the bundle though they have left
	// every source, by spec.rotation.
	// +optional
	RetainedCount int32 `json:"retainedCount,omitempty"`

	// retained has these certificates, up to 20 of them: those that left first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Retained []RetainedCertificate `json:"retained,omitempty"`

	// nextExpiry is the certificate of the bundle that expires first, or has
	// expired longest ago.
	// +optional
	NextExpiry *CertificateExpiry `json:"nextExpiry,omitempty"`
}

// SourceInventory says what one source adds.
type SourceInventory struct {
	// field is the path of the source in the Bundle, such as
	// "spec.sources[0].configMap".
	// +required
	// +kubebuilder:validation:MaxLength=253
	Field string `json:"field"`

	// certificates is how many certificates of the bundle come from it. One that
	// several sources hold counts for the first of them.
	// +required
	Certificates int32 `json:"certificates"`
}

// DroppedCertificates counts certificates that are not in the bundle.
type DroppedCertificates struct {
	// duplicate is how many were there already.
	// +required
	Duplicate int32 `json:"duplicate"`

	// expired is how many are past their NotAfter and were dropped for it.
	// +required
	Expired int32 `json:"expired"`

	// notCA is how many are not a CA and were dropped for it.
	// +required
	NotCA int32 `json:"notCA"`

	// notSelfSigned is how many are not self-signed and were dropped for it.
	// +required
	NotSelfSigned int32 `json:"notSelfSigned"`
}

// CertificateExpiry names a certificate and says when it expires.
type CertificateExpiry struct {
	// notAfter is the last moment at which it is valid.
	// +required
	NotAfter metav1.Time `json:"notAfter"`

	// subject is its subject in the manner of RFC 4514, cut if it is long.
	// +required
	// +kubebuilder:validation:MaxLength=128
	Subject string `json:"subject"`

	// sha256 is the SHA-256 of its DER, in hexadecimal.
	// +required
	// +kubebuilder:validation:MaxLength=64
	SHA256 string `json:"sha256"`
}

// TargetCounts counts targets, which are single objects.
type TargetCounts struct {
	// wanted is how many there should be.
	// +required
	Wanted int32 `json:"wanted"`

	// synced is how many hold the bundle.
	// +required
	Synced int32 `json:"synced"`

	// failed is how many could not be put in order.
	// +required
	Failed int32 `json:"failed"`
}

// RetainedCertificate names a certificate that has left every source, and says how
// long it stays.
type RetainedCertificate struct {
	// subject is its subject in the manner of RFC 4514, cut if it is long.
	// +required
	// +kubebuilder:validation:MaxLength=128
	Subject string `json:"subject"`

	// sha256 is the SHA-256 of its DER, in hexadecimal.
	// +required
	// +kubebuilder:validation:MaxLength=64
	SHA256 string `json:"sha256"`

	// until is the last moment at which it is in the bundle.
	// +required
	Until metav1.Time `json:"until"`
}
