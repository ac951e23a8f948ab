package ledger

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
)

// shownRetained is how many retained certificates the status names.
const shownRetained = 20

// NewContent gives what there is to tell of a bundle and of the Spec that it was
// built from. None of it is content of a certificate but subjects, which are cut.
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

func inventory(spec bundle.Spec, content bundle.Bundle) *v1alpha1.BundleInventory {
	made := &v1alpha1.BundleInventory{
		Certificates: number(len(content.Certificates)),
		Excluded:     number(content.Left.Excluded),
		// The list may not have all of them.
		RetainedCount:  number(len(content.Retained)),
		MissingSources: number(content.Missing),
		Dropped: v1alpha1.DroppedCertificates{
			Duplicate:     number(content.Left.Duplicate),
			Expired:       number(content.Left.Expired),
			NotCA:         number(content.Left.NonCA),
			NotSelfSigned: number(content.Left.NotSelfSigned),
		},
	}
	for _, one := range content.Retained[:min(len(content.Retained), shownRetained)] {
		made.Retained = append(made.Retained, v1alpha1.RetainedCertificate{
			Subject: one.Certificate.ShownSubject(), SHA256: one.Certificate.SHA256(),
			Until: metav1.NewTime(spec.Rotation.Until(one)).Rfc3339Copy(),
		})
	}
	bySource := content.BySource()
	for _, source := range spec.Sources {
		made.Sources = append(made.Sources, v1alpha1.SourceInventory{Field: source.Field, Certificates: number(bySource[source.Field])})
	}
	// The API has no zero time: it would be null.
	if first := content.Earliest(); first != nil && !first.NotAfter.IsZero() {
		made.NextExpiry = &v1alpha1.CertificateExpiry{
			NotAfter: metav1.NewTime(first.NotAfter).Rfc3339Copy(), Subject: first.ShownSubject(), SHA256: first.SHA256(),
		}
	}
	return made
}

// Targets counts the targets, for the status.
func (s Summary) Targets() *v1alpha1.TargetCounts {
	return &v1alpha1.TargetCounts{Wanted: number(s.Wanted), Synced: number(s.Synced), Failed: number(s.Failed)}
}

// number gives a count as the API has it.
func number(n int) int32 { return int32(min(n, 1<<31-1)) } //nolint:gosec // it is bounded
