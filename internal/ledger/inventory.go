package ledger

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
)

// maxShownRetained is how many retained certificates the status lists.
const maxShownRetained = 20

// NewContent describes a bundle and the Spec that it was built from. The digest is the
// hexadecimal SHA-256 of its PEM file, or empty. Of the content of certificates the
// description has only subjects, which are truncated.
func NewContent(spec bundle.Spec, content bundle.Bundle, digest string) Content {
	return Content{
		Certificates:     len(content.Certificates),
		Digest:           digest,
		Retained:         len(content.Retained),
		Missing:          content.Missing,
		EarliestNotAfter: content.EarliestNotAfter,
		ValidUntil:       content.ValidUntil,
		Inventory:        inventory(spec, content),
		Expiry:           newExpiry(content),
	}
}

// inventory returns the description of a bundle in the status.
func inventory(spec bundle.Spec, content bundle.Bundle) *Inventory {
	result := &Inventory{
		Certificates:   len(content.Certificates),
		MissingSources: content.Missing,
		Duplicate:      content.Omitted.Duplicate,
		Expired:        content.Omitted.Expired,
		NotCA:          content.Omitted.NonCA,
		NotSelfSigned:  content.Omitted.NotSelfSigned,
		Nonconforming:  content.Omitted.Nonconforming,
		Excluded:       content.Omitted.Excluded,
		RetainedCount:  len(content.Retained),
	}
	for _, retained := range content.Retained[:min(len(content.Retained), maxShownRetained)] {
		result.Retained = append(result.Retained, certificateTime(&retained.Certificate, spec.Rotation.Until(retained)))
	}
	for i := range content.Certificates {
		if content.Certificates[i].Nonconforming != "" {
			result.NonconformingKept++
		}
	}
	bySource := content.BySource()
	for _, source := range spec.Sources {
		result.Sources = append(result.Sources, SourceCount{Field: source.Field, Certificates: bySource[source.Field]})
	}
	if first := content.Earliest(); first != nil && isRepresentable(first.NotAfter) {
		next := certificateTime(first, first.NotAfter)
		result.NextExpiry = &next
	}
	return result
}

// isRepresentable reports whether the API can represent a time: the zero time would be null,
// and a time zone can move the year of a certificate out of the four digits of RFC 3339.
func isRepresentable(at time.Time) bool {
	year := at.UTC().Year()
	return !at.IsZero() && year > 0 && year < 10_000
}

func certificateTime(certificate *certs.Certificate, at time.Time) CertificateTime {
	return CertificateTime{Subject: certificate.DisplaySubject(), SHA256: certificate.SHA256(), Time: metav1.NewTime(at).Rfc3339Copy()}
}

// Targets returns the numbers of targets for the status.
func (s Summary) Targets() *TargetCounts {
	return &TargetCounts{Wanted: s.Wanted, Synced: s.Synced, Failed: s.Failed, Kinds: s.Kinds}
}
