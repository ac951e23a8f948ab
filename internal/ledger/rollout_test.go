package ledger_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/internal/ledger"
)

// C1, C6: during a rollout, Synced stays True, a failure that is over is no longer reported, and
// a failure of the rollout is.
func TestSyncedDuringARollout(t *testing.T) {
	t.Parallel()
	rolling := ledger.Summary{
		Attempt: ledger.Attempt{Generation: 7, Content: ledger.Content{Certificates: 2}}, Built: true,
		Wanted: 4, Synced: 1, Wrote: true, Since: start.Add(-time.Minute),
	}
	failing := rolling
	failing.Failed, failing.FailedReason = 1, "SyncConfigMapTargetFailed"
	failing.Failures = []ledger.Failure{{Target: configMap("a"), Cause: "denied"}}
	synced := metav1.Condition{Type: "Synced", Status: metav1.ConditionTrue, Reason: "Synced", Message: "as before", ObservedGeneration: 6}
	failed := metav1.Condition{Type: "Synced", Status: metav1.ConditionFalse, Reason: "SourceNotFound", Message: "was missing", ObservedGeneration: 6}
	refused := failed
	refused.Reason = "SyncConfigMapTargetFailed"
	const failure = "1 of 4 targets failed: ConfigMap in namespace a: denied"
	for name, tc := range map[string]struct {
		summary ledger.Summary
		before  metav1.Condition
		want    *metav1.Condition
		detail  string
	}{
		"after a success":       {rolling, synced, &synced, ""},
		"after a failed target": {rolling, refused, &refused, ""},
		"after a failure":       {rolling, failed, nil, ""},
		"after a success, and a target fails": {failing, synced, &metav1.Condition{
			Type: "Synced", Status: metav1.ConditionFalse, Reason: "SyncConfigMapTargetFailed", Message: failure, ObservedGeneration: 7,
		}, ", " + failure},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, wait, keep := tc.summary.Conditions([]metav1.Condition{tc.before}, start)
			if wait != 0 || keep {
				t.Errorf("wait %s, keep %t", wait, keep)
			}
			if diff := cmp.Diff(tc.want, meta.FindStatusCondition(got, "Synced")); diff != "" {
				t.Errorf("Synced (-want +got):\n%s", diff)
			}
			want := "Rolling out: 1 of 4 targets hold the current bundle" + tc.detail
			for _, conditionType := range []string{"Ready", "Reconciling"} {
				condition := meta.FindStatusCondition(got, conditionType)
				if condition == nil || condition.Reason != "Rollout" || condition.Message != want || condition.ObservedGeneration != 7 {
					t.Errorf("%s is %+v, want the message %q", conditionType, condition, want)
				}
			}
		})
	}
}

// C1, C6: the status reports a rollout only after about a second, the first one after half
// a second. While nothing needed a write, as after a restart, the status does not change.
func TestConditionWaits(t *testing.T) {
	t.Parallel()
	pending := ledger.Summary{Built: true, Wanted: 2, Synced: 1, Since: start, Wrote: true}
	looking := pending
	looking.Wrote = false
	type answer struct {
		Wait time.Duration
		Keep bool
	}
	before := []metav1.Condition{{Type: "Synced"}}
	cases := map[string]struct {
		summary ledger.Summary
		before  []metav1.Condition
		after   time.Duration
		want    answer
	}{
		"just begun":              {pending, before, 0, answer{Wait: time.Second}},
		"under way":               {pending, before, 999 * time.Millisecond, answer{Wait: time.Millisecond}},
		"after a second":          {pending, before, time.Second, answer{}},
		"only looking":            {looking, before, 0, answer{Keep: true}},
		"looking after a problem": {looking, []metav1.Condition{{Type: "Synced", Status: "False", Reason: "SourceNotFound"}}, time.Hour, answer{}},
		"looking after a refusal": {looking, []metav1.Condition{{Type: "Synced", Status: "False", Reason: "SyncSecretTargetFailed"}}, time.Hour, answer{Keep: true}},
		"only looking, at last":   {looking, before, time.Hour, answer{Keep: true}},
		"the clock went back":     {pending, before, -time.Second, answer{Wait: 2 * time.Second}},
		"the first one":           {pending, nil, 0, answer{Wait: 500 * time.Millisecond}},
		"the first one, looking":  {looking, nil, 499 * time.Millisecond, answer{Wait: time.Millisecond}},
		"the first one, at last":  {looking, nil, 500 * time.Millisecond, answer{}},
		"others have reported":    {looking, []metav1.Condition{{Type: "Theirs"}}, 0, answer{Wait: 500 * time.Millisecond}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conditions, wait, keep := tc.summary.Conditions(tc.before, start.Add(tc.after))
			if got := (answer{wait, keep}); got != tc.want {
				t.Errorf("wait and keep %v, want %v", got, tc.want)
			}
			if reports := tc.want == (answer{}); reports != (meta.FindStatusCondition(conditions, "Reconciling") != nil) {
				t.Errorf("conditions %v", conditions)
			}
		})
	}
}

// After a restart the status does not change until every target has been read, and reports
// no rollout if all targets were in sync (T11).
func TestRestartSaysNothingOnTheWay(t *testing.T) {
	t.Parallel()
	l := begun(configMap("a"), configMap("b"))
	later := start.Add(time.Hour)
	l.Synced(id("roots"), 1, configMap("a"))
	before := []metav1.Condition{{Type: "Synced", Status: metav1.ConditionTrue}}
	if _, wait, keep := summary(t, l).Conditions(before, later); wait != 0 || !keep {
		t.Errorf("on the way: wait %s, keep %t", wait, keep)
	}
	l.Synced(id("roots"), 1, configMap("b"))
	if conditions, _, keep := summary(t, l).Conditions(before, later); keep || conditions[0].Reason != "Synced" {
		t.Errorf("at the end: %v, keep %t", conditions, keep)
	}
}

// A bundle that has been built but has no revision yet is in no target, so it is too early
// to report anything.
func TestBuiltButNotBegun(t *testing.T) {
	t.Parallel()
	l := ledger.New()
	l.RecordBuild(id("roots"), ledger.Attempt{UID: "uid", Generation: 1, Content: ledger.Content{Certificates: 2}})
	if conditions, _, keep := summary(t, l).Conditions(nil, start); !keep {
		t.Errorf("it reports %v", conditions)
	}
}
