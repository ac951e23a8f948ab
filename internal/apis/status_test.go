package apis_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/ledger"
	"trust-manager.io/internal/rotation"
	"trust-manager.io/internal/target"
)

// The texts of the API that the operator uses are those that its types document.
func TestConstants(t *testing.T) {
	t.Parallel()
	for api, internal := range map[string]string{
		v1alpha1.BundleConditionSynced:                 ledger.ConditionSynced,
		v1alpha1.BundleConditionExpiringSoon:           ledger.ConditionExpiringSoon,
		v1alpha1.BundleReasonNotExpiringSoon:           ledger.ReasonNotExpiringSoon,
		v1alpha1.BundleConditionReady:                  ledger.ConditionReady,
		v1alpha1.BundleConditionReconciling:            ledger.ConditionReconciling,
		v1alpha1.BundleConditionStalled:                ledger.ConditionStalled,
		v1alpha1.BundleReasonRollout:                   ledger.ReasonRollout,
		v1alpha1.BundleReasonSourceNotFound:            string(certs.SourceNotFound),
		v1alpha1.BundleReasonSourceBuildError:          string(certs.SourceBuildError),
		v1alpha1.BundleReasonBundleTooLarge:            string(bundle.TooLarge),
		v1alpha1.BundleReasonRotationStateFailed:       string(bundle.RotationStateFailed),
		v1alpha1.BundleReasonSyncConfigMapTargetFailed: target.TypeOf(bundle.ConfigMap).SyncFailed,
		v1alpha1.BundleReasonSyncSecretTargetFailed:    target.TypeOf(bundle.Secret).SyncFailed,
		v1alpha1.BundleReasonSecretTargetsDisabled:     string(target.TypeOf(bundle.Secret).Disabled(bundle.Target{}).Reason),
		v1alpha1.RotationLabelKey:                      rotation.LabelKey,
	} {
		if api != internal {
			t.Errorf("the API has %q, the operator %q", api, internal)
		}
	}
	if ledger.ReasonSynced != v1alpha1.BundleReasonSynced || ledger.ReasonExpiringSoon != v1alpha1.BundleReasonExpiringSoon {
		t.Error("the reasons of success differ")
	}
}

// A status that is written and read again reports the same (C1, K4).
func TestBundleStatus(t *testing.T) {
	t.Parallel()
	at := metav1.NewTime(time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC))
	for name, want := range map[string]ledger.Report{
		"empty": {},
		"full": {
			Conditions:         []metav1.Condition{{Type: "Synced", Status: metav1.ConditionTrue, Reason: "Synced", Message: "m", ObservedGeneration: 3}},
			ObservedGeneration: 4, Digest: "d", LastChanged: &at,
			DefaultCAVersion: "v",
			Inventory: &ledger.Inventory{
				Certificates: 1, MissingSources: 2, Duplicate: 3, Expired: 4, NotCA: 5, NotSelfSigned: 6, Excluded: 7, RetainedCount: 8,
				Nonconforming: 13, NonconformingKept: 14,
				Sources:    []ledger.SourceCount{{Field: "f", Certificates: 9}},
				Retained:   []ledger.CertificateTime{{Subject: "s", SHA256: "h", Time: at}},
				NextExpiry: &ledger.CertificateTime{Subject: "t", SHA256: "i", Time: metav1.NewTime(at.Add(time.Hour))},
			},
			Targets: &ledger.TargetCounts{Wanted: 10, Synced: 11, Failed: 12},
		},
	} {
		status, ok := apis.Bundle{}.Status(want).(*v1alpha1.BundleStatus)
		if !ok {
			t.Fatal("the status is not that of a Bundle")
		}
		if diff := cmp.Diff(want, apis.Bundle{}.Report(&v1alpha1.Bundle{Status: *status})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
