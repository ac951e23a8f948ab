package apis

import (
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/ledger"
)

// Report implements [Adapter].
func (Bundle) Report(obj client.Object) ledger.Report {
	source, ok := obj.(*v1alpha1.Bundle)
	if !ok {
		return ledger.Report{}
	}
	return reportOf(&source.Status)
}

// Status implements [Adapter].
func (Bundle) Status(report ledger.Report) any { return statusOf(report) }

// reportOf converts a status, which all API kinds share.
func reportOf(status *v1alpha1.BundleStatus) ledger.Report {
	report := ledger.Report{
		ObservedGeneration: status.ObservedGeneration,
		Conditions:         status.Conditions,
		Digest:             status.Digest,
		LastChanged:        status.LastChanged,
		DefaultCAVersion:   status.DefaultCAVersion,
		Inventory:          inventoryFrom(status.Inventory),
	}
	if counts := status.Targets; counts != nil {
		report.Targets = &ledger.TargetCounts{Wanted: int(counts.Wanted), Synced: int(counts.Synced), Failed: int(counts.Failed)}
		for _, of := range counts.Kinds {
			report.Targets.Kinds = append(report.Targets.Kinds, ledger.KindCounts{
				Kind: of.Kind, Wanted: int(of.Wanted), Synced: int(of.Synced), Failed: int(of.Failed),
			})
		}
	}
	return report
}

// statusOf is the reverse of reportOf.
func statusOf(report ledger.Report) *v1alpha1.BundleStatus {
	status := &v1alpha1.BundleStatus{
		ObservedGeneration: report.ObservedGeneration,
		Conditions:         report.Conditions,
		Digest:             report.Digest,
		LastChanged:        report.LastChanged,
		DefaultCAVersion:   report.DefaultCAVersion,
		Inventory:          inventoryTo(report.Inventory),
	}
	if counts := report.Targets; counts != nil {
		status.Targets = &v1alpha1.TargetCounts{Wanted: toInt32(counts.Wanted), Synced: toInt32(counts.Synced), Failed: toInt32(counts.Failed)}
		for _, of := range counts.Kinds {
			status.Targets.Kinds = append(status.Targets.Kinds, v1alpha1.TargetKindCounts{
				Kind: of.Kind, Wanted: toInt32(of.Wanted), Synced: toInt32(of.Synced), Failed: toInt32(of.Failed),
			})
		}
	}
	return status
}

// inventoryTo converts an inventory to the API, or nil to nil.
func inventoryTo(inventory *ledger.Inventory) *v1alpha1.BundleInventory {
	if inventory == nil {
		return nil
	}
	result := &v1alpha1.BundleInventory{
		Certificates:   toInt32(inventory.Certificates),
		MissingSources: toInt32(inventory.MissingSources),
		Dropped: v1alpha1.DroppedCertificates{
			Duplicate:     toInt32(inventory.Duplicate),
			Expired:       toInt32(inventory.Expired),
			NotCA:         toInt32(inventory.NotCA),
			NotSelfSigned: toInt32(inventory.NotSelfSigned),
			Nonconforming: toInt32(inventory.Nonconforming),
		},
		Nonconforming: toInt32(inventory.NonconformingKept),
		Excluded:      toInt32(inventory.Excluded),
		RetainedCount: toInt32(inventory.RetainedCount),
	}
	for _, source := range inventory.Sources {
		result.Sources = append(result.Sources, v1alpha1.SourceInventory{Field: source.Field, Certificates: toInt32(source.Certificates)})
	}
	for _, retained := range inventory.Retained {
		result.Retained = append(result.Retained, v1alpha1.RetainedCertificate{
			Subject: retained.Subject, SHA256: retained.SHA256, Until: retained.Time,
		})
	}
	if next := inventory.NextExpiry; next != nil {
		result.NextExpiry = &v1alpha1.CertificateExpiry{NotAfter: next.Time, Subject: next.Subject, SHA256: next.SHA256}
	}
	return result
}

// inventoryFrom converts an inventory of the API, or nil to nil.
func inventoryFrom(inventory *v1alpha1.BundleInventory) *ledger.Inventory {
	if inventory == nil {
		return nil
	}
	result := &ledger.Inventory{
		Certificates:   int(inventory.Certificates),
		MissingSources: int(inventory.MissingSources),
		Duplicate:      int(inventory.Dropped.Duplicate),
		Expired:        int(inventory.Dropped.Expired),
		NotCA:          int(inventory.Dropped.NotCA),
		NotSelfSigned:  int(inventory.Dropped.NotSelfSigned),
		Nonconforming:  int(inventory.Dropped.Nonconforming),

		NonconformingKept: int(inventory.Nonconforming),
		Excluded:          int(inventory.Excluded),
		RetainedCount:     int(inventory.RetainedCount),
	}
	for _, source := range inventory.Sources {
		result.Sources = append(result.Sources, ledger.SourceCount{Field: source.Field, Certificates: int(source.Certificates)})
	}
	for _, retained := range inventory.Retained {
		result.Retained = append(result.Retained, ledger.CertificateTime{
			Subject: retained.Subject, SHA256: retained.SHA256, Time: retained.Until,
		})
	}
	if next := inventory.NextExpiry; next != nil {
		result.NextExpiry = &ledger.CertificateTime{Subject: next.Subject, SHA256: next.SHA256, Time: next.NotAfter}
	}
	return result
}

// toInt32 converts a count to the type of the API.
func toInt32(n int) int32 { return int32(min(n, 1<<31-1)) } //nolint:gosec // it is bounded
