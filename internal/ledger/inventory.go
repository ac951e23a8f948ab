package ledger

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
)

// maxShownRetained is how many retained certificates the status lists.
const maxShownRetained = 20

// NewContent describes a bundle and the Spec that it was built from. Of the content of
// certificates it has only subjects, which are truncated.
func NewContent(spec bundle.Spec, content bundle.Bundle) Content {
	return Content{
		Certificates:     len(content.Certificates),
		Retained:         len(content.Retained),
		Missing:          content.Missing,
		EarliestNotAfter: content.EarliestNotAfter,
		Changes:          content.Changes,
		Inventory:        inventory(spec, content),
		Expiry:           newExpiry(content),
	}
}

// inventory returns the description of a bundle in the status.
func inventory(spec bundle.Spec, content bundle.Bundle) *v1alpha1.BundleInventory {
	result := &v1alpha1.BundleInventory{
		Certificates: toInt32(len(content.Certificates)),
		Excluded:     toInt32(content.Left.Excluded),
		// The list below may be incomplete.
		RetainedCount:  toInt32(len(content.Retained)),
		MissingSources: toInt32(content.Missing),
		Dropped: v1alpha1.DroppedCertificates{
			Duplicate:     toInt32(content.Left.Duplicate),
			Expired:       toInt32(content.Left.Expired),
			NotCA:         toInt32(content.Left.NonCA),
			NotSelfSigned: toInt32(content.Left.NotSelfSigned),
		},
	}
	for _, retained := range content.Retained[:min(len(content.Retained), maxShownRetained)] {
		result.Retained = append(result.Retained, v1alpha1.RetainedCertificate{
			Subject: retained.Certificate.ShownSubject(), SHA256: retained.Certificate.SHA256(),
			Until: metav1.NewTime(spec.Rotation.Until(retained)).Rfc3339Copy(),
		})
	}
	bySource := content.BySource()
	for _, source := range spec.Sources {
		result.Sources = append(result.Sources, v1alpha1.SourceInventory{Field: source.Field, Certificates: toInt32(bySource[source.Field])})
	}
	// The API cannot represent the zero time: it would be null.
	if first := content.Earliest(); first != nil && !first.NotAfter.IsZero() {
		result.NextExpiry = &v1alpha1.CertificateExpiry{
			NotAfter: metav1.NewTime(first.NotAfter).Rfc3339Copy(), Subject: first.ShownSubject(), SHA256: first.SHA256(),
		}
	}
	return result
}

// Targets returns the numbers of targets for the status.
func (s Summary) Targets() *v1alpha1.TargetCounts {
	return &v1alpha1.TargetCounts{Wanted: toInt32(s.Wanted), Synced: toInt32(s.Synced), Failed: toInt32(s.Failed)}
}

// toInt32 converts a count to the type of the API.
func toInt32(n int) int32 { return int32(min(n, 1<<31-1)) } //nolint:gosec // it is bounded
