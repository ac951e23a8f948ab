package ledger

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The types of conditions, and the reasons that are not those of a problem. Their texts are
// part of every API kind.
const (
	ConditionSynced       = "Synced"
	ConditionReady        = "Ready"
	ConditionReconciling  = "Reconciling"
	ConditionStalled      = "Stalled"
	ConditionExpiringSoon = "ExpiringSoon"
	ConditionSuperseded   = "Superseded"

	ReasonSynced          = "Synced"
	ReasonRollout         = "Rollout"
	ReasonSuperseded      = "Superseded"
	ReasonExpiringSoon    = "ExpiringSoon"
	ReasonNotExpiringSoon = "NotExpiringSoon"
)

// Report is what a status reports, independent of the API kind and version.
type Report struct {
	// ObservedGeneration is the generation of the Bundle that the status describes.
	ObservedGeneration int64
	Conditions         []metav1.Condition
	// Digest is the hexadecimal SHA-256 of the current PEM file, and LastChanged when it
	// last changed, if that is known.
	Digest           string
	LastChanged      *metav1.Time
	DefaultCAVersion string
	// Inventory and Targets are nil before the first build.
	Inventory *Inventory
	Targets   *TargetCounts
}

// Inventory describes which certificates are in a bundle. Its size is bounded regardless
// of the bundle. It is immutable.
type Inventory struct {
	Certificates int
	// Sources has the number of certificates of each source, in order.
	Sources        []SourceCount
	MissingSources int
	// Duplicate, Expired, NotCA, NotSelfSigned, Nonconforming and Excluded count the
	// certificates of the sources that are not in the bundle.
	Duplicate, Expired, NotCA, NotSelfSigned, Nonconforming, Excluded int
	// NonconformingKept is the number of nonconforming certificates in the bundle.
	NonconformingKept int
	// RetainedCount is the number of retained certificates, and Retained describes the
	// first maxShownRetained of them.
	RetainedCount int
	Retained      []CertificateTime
	// NextExpiry is the certificate that expires first, or nil.
	NextExpiry *CertificateTime
}

// SourceCount is the number of certificates that a source contributes.
type SourceCount struct {
	// Field is the path of the source in the Bundle.
	Field        string
	Certificates int
}

// CertificateTime identifies a certificate and the time at which it leaves the bundle or
// expires, in whole seconds.
type CertificateTime struct {
	// Subject is truncated for display, and SHA256 is in hexadecimal.
	Subject, SHA256 string
	Time            metav1.Time
}

// TargetCounts counts targets by state.
type TargetCounts struct {
	Wanted, Synced, Failed int
	// Kinds are the counts of each kind of targets, in a fixed order.
	Kinds []KindCounts
}

// KindCounts counts the targets of one kind, by its name in the API.
type KindCounts struct {
	Kind                   string
	Wanted, Synced, Failed int
}
