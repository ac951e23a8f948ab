package metrics

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clocktesting "k8s.io/utils/clock/testing"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/ledger"
	"trust-manager.io/internal/target"
)

// start is the time of the tests.
var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// contentOfDays returns the content of a bundle whose certificates expire in these
// numbers of days.
func contentOfDays(days ...int) ledger.Content {
	content := bundle.Bundle{EarliestNotAfter: start.AddDate(0, 0, slices.Min(days))}
	for _, day := range days {
		content.Certificates = append(content.Certificates, certs.Certificate{NotAfter: start.AddDate(0, 0, day)})
	}
	return ledger.NewContent(bundle.Spec{}, content, "")
}

func id(name string) bundle.ID { return bundle.ID{Kind: bundle.APIBundle, Name: name} }

// C5, K6: gauges for each Bundle, with the current values of the ledger; a Bundle that
// was never built has only the one that it is not synced.
func TestBundleMetrics(t *testing.T) {
	t.Parallel()
	accounts := ledger.New()
	accounts.RecordBuild(id("broken"), ledger.Attempt{Reason: "SourceNotFound"})
	content := contentOfDays(-1, 6, 8, 29, 31, 100, 3000)
	content.Retained, content.Missing = 2, 1
	accounts.RecordBuild(id("roots"), ledger.Attempt{Content: content})
	places := []target.Ref{{Kind: bundle.ConfigMap, Namespace: "a"}, {Kind: bundle.ConfigMap, Namespace: "b"}, {Kind: bundle.Secret, Namespace: "b"}}
	accounts.StartRollout(id("roots"), 1, places, start)
	accounts.Synced(id("roots"), 1, places[0])
	accounts.Failed(id("roots"), 1, places[1], "refused")
	check := func(synced, failed, done string) {
		t.Helper()
		want := `
# HELP trust_manager_bundle_certificates Certificates in the bundle that was built last.
# TYPE trust_manager_bundle_certificates gauge
trust_manager_bundle_certificates{bundle="roots",kind="Bundle"} 7
# HELP trust_manager_bundle_earliest_not_after_seconds When the first certificate of the bundle expires, in seconds since 1970.
# TYPE trust_manager_bundle_earliest_not_after_seconds gauge
trust_manager_bundle_earliest_not_after_seconds{bundle="roots",kind="Bundle"} 1.7953488e+09
# HELP trust_manager_bundle_certificates_retained Certificates in it that have left every source, by spec.rotation.
# TYPE trust_manager_bundle_certificates_retained gauge
trust_manager_bundle_certificates_retained{bundle="roots",kind="Bundle"} 2
# HELP trust_manager_bundle_sources_missing Missing sources that do not hold up the bundle, by spec.rotation.
# TYPE trust_manager_bundle_sources_missing gauge
trust_manager_bundle_sources_missing{bundle="roots",kind="Bundle"} 1
# HELP trust_manager_bundle_expiring_certificates Certificates of the bundle that have expired or expire within a time: 7d, 30d or 90d.
# TYPE trust_manager_bundle_expiring_certificates gauge
trust_manager_bundle_expiring_certificates{bundle="roots",kind="Bundle",within="30d"} 4
trust_manager_bundle_expiring_certificates{bundle="roots",kind="Bundle",within="7d"} 2
trust_manager_bundle_expiring_certificates{bundle="roots",kind="Bundle",within="90d"} 5
# HELP trust_manager_bundle_synced Whether every target holds the current bundle and the sources are good: 1 or 0.
# TYPE trust_manager_bundle_synced gauge
trust_manager_bundle_synced{bundle="broken",kind="Bundle"} 0
trust_manager_bundle_synced{bundle="roots",kind="Bundle"} ` + done + `
# HELP trust_manager_bundle_targets_desired Targets that the Bundle asks for.
# TYPE trust_manager_bundle_targets_desired gauge
trust_manager_bundle_targets_desired{bundle="roots",kind="Bundle"} 3
# HELP trust_manager_bundle_targets_failed Targets that could not be synced.
# TYPE trust_manager_bundle_targets_failed gauge
trust_manager_bundle_targets_failed{bundle="roots",kind="Bundle"} ` + failed + `
# HELP trust_manager_bundle_targets_synced Targets that hold the current bundle.
# TYPE trust_manager_bundle_targets_synced gauge
trust_manager_bundle_targets_synced{bundle="roots",kind="Bundle"} ` + synced + "\n"
		if err := testutil.CollectAndCompare(newBundleMetrics(accounts, clocktesting.NewFakePassiveClock(start)), strings.NewReader(want)); err != nil {
			t.Error(err)
		}
	}
	check("1", "1", "0")
	accounts.Synced(id("roots"), 1, places[1])
	accounts.Synced(id("roots"), 1, places[2])
	check("3", "0", "1")
	// The previous bundle stays active while a source is missing.
	accounts.RecordBuild(id("roots"), ledger.Attempt{Reason: "SourceNotFound"})
	check("3", "0", "0")
	accounts.Drop(id("roots"))
	accounts.Drop(id("broken"))
	if count := testutil.CollectAndCount(newBundleMetrics(accounts, clocktesting.NewFakePassiveClock(start))); count != 0 {
		t.Errorf("%d series of Bundles that are gone", count)
	}
}

// C5: durations and counts of builds and writes.
func TestWorkMetrics(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewPedanticRegistry()
	m, err := New(registry, ledger.New(), clocktesting.NewFakePassiveClock(start))
	if err != nil {
		t.Fatal(err)
	}
	resource := schema.GroupResource{Resource: "configmaps"}
	for _, err := range []error{
		nil, nil,
		apierrors.NewConflict(resource, "roots", nil), apierrors.NewAlreadyExists(resource, "roots"),
		apierrors.NewForbidden(resource, "roots", nil), apierrors.NewInvalid(schema.GroupKind{}, "roots", nil),
		context.DeadlineExceeded, apierrors.NewTimeoutError("slow", 1),
		errors.New("broken"),
	} {
		m.ObserveWrite(target.Replace, time.Second, err)
	}
	for _, result := range []string{BuildSuccess, BuildInvalid, BuildError} {
		m.ObserveBuild(time.Millisecond, result)
	}
	want := `
# HELP trust_manager_target_writes_total Writes of targets, by verb (create, replace, patch, apply, delete) and result (success, conflict, refused, timeout, error).
# TYPE trust_manager_target_writes_total counter
trust_manager_target_writes_total{result="conflict",verb="replace"} 2
trust_manager_target_writes_total{result="error",verb="replace"} 1
trust_manager_target_writes_total{result="refused",verb="replace"} 2
trust_manager_target_writes_total{result="success",verb="replace"} 2
trust_manager_target_writes_total{result="timeout",verb="replace"} 2
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "trust_manager_target_writes_total"); err != nil {
		t.Error(err)
	}
	for name, series := range map[string]int{
		"trust_manager_target_write_duration_seconds": 1, "trust_manager_bundle_build_duration_seconds": 3,
	} {
		if count, err := testutil.GatherAndCount(registry, name); err != nil || count != series {
			t.Errorf("%s: %d series, error %v; want %d", name, count, err, series)
		}
	}
	if _, err := New(registry, ledger.New(), clocktesting.NewFakePassiveClock(start)); err == nil {
		t.Error("registered twice without an error")
	}
}
