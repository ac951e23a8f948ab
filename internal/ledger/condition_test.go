package ledger_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/ledger"
	"trust-manager.io/internal/target"
)

// maxMessage is the maximum length of a condition's message in the API, in bytes.
const maxMessage = 32768

// C1, C2, S11: the condition for each state of a rollout.
func TestCondition(t *testing.T) {
	t.Parallel()
	built := ledger.Attempt{Generation: 7, Content: ledger.Content{Certificates: 2}}
	invalid := ledger.Attempt{Generation: 7, Reason: "SourceBuildError", Message: "block 3 is damaged"}
	failure := func(kind bundle.Kind, namespace string) ledger.Failure {
		return ledger.Failure{Target: target.Ref{Kind: kind, Namespace: namespace}, Cause: "webhook denied it"}
	}
	no, yes := metav1.ConditionFalse, metav1.ConditionTrue
	cases := map[string]struct {
		summary ledger.Summary
		status  metav1.ConditionStatus
		reason  string
		message string
	}{
		"C1 all hold it": {
			ledger.Summary{Attempt: built, Built: true, Wanted: 3, Synced: 3, Namespaces: 3},
			yes, "Synced", "The bundle of 2 certificates is in 3 namespaces",
		},
		"C1 one of each": {
			ledger.Summary{Attempt: ledger.Attempt{Generation: 7, Content: ledger.Content{Certificates: 1}}, Built: true, Wanted: 2, Synced: 2, Namespaces: 1},
			yes, "Synced", "The bundle of 1 certificate is in 1 namespace",
		},
		"A6 no target": {
			ledger.Summary{Attempt: built, Built: true},
			yes, "Synced", "The bundle of 2 certificates is in 0 namespaces",
		},
		"S6 with notes": {
			ledger.Summary{Attempt: ledger.Attempt{Generation: 7, Content: ledger.Content{Certificates: 2}, Notes: []string{"one", "two"}}, Built: true, Wanted: 1, Synced: 1, Namespaces: 1},
			yes, "Synced", "The bundle of 2 certificates is in 1 namespace; note: one; note: two",
		},
		"with more notes than are shown": {
			ledger.Summary{Attempt: ledger.Attempt{Generation: 7, Content: ledger.Content{Certificates: 2}, Notes: []string{"1", "2", "3", "4"}}, Built: true, Wanted: 1, Synced: 1, Namespaces: 1},
			yes, "Synced", "The bundle of 2 certificates is in 1 namespace; note: 1; note: 2; note: 3; and 1 more",
		},
		"C1 rolling out": {
			ledger.Summary{Attempt: built, Built: true, Wanted: 3, Synced: 1, Wrote: true, Since: start.Add(-time.Second)},
			no, "Syncing", "Rolling out: 1 of 3 targets hold the current bundle",
		},
		"C1 rolling out with failures": {
			ledger.Summary{Attempt: built, Built: true, Wanted: 4, Synced: 1, Failed: 1, Failures: []ledger.Failure{failure(bundle.ConfigMap, "a")},
				FailedReason: "SyncConfigMapTargetFailed", Wrote: true, Since: start.Add(-time.Hour)},
			no, "Syncing", "Rolling out: 1 of 4 targets hold the current bundle, 1 of 4 targets failed: ConfigMap in namespace a: webhook denied it",
		},
		"C2 a ConfigMap failed": {
			ledger.Summary{Attempt: built, Built: true, Wanted: 2, Synced: 1, Failed: 1, Failures: []ledger.Failure{failure(bundle.ConfigMap, "a")}, FailedReason: "SyncConfigMapTargetFailed"},
			no, "SyncConfigMapTargetFailed", "1 of 2 targets failed: ConfigMap in namespace a: webhook denied it",
		},
		"C2 a Secret failed": {
			ledger.Summary{Attempt: built, Built: true, Wanted: 1, Failed: 1, Failures: []ledger.Failure{failure(bundle.Secret, "a")}, FailedReason: "SyncSecretTargetFailed"},
			no, "SyncSecretTargetFailed", "1 of 1 target failed: Secret in namespace a: webhook denied it",
		},
		"C2 both failed, and more than are shown": {
			ledger.Summary{Attempt: built, Built: true, Wanted: 9, Synced: 4, Failed: 5, Failures: []ledger.Failure{
				failure(bundle.ConfigMap, "a"), failure(bundle.ConfigMap, "b"), failure(bundle.Secret, "a"),
			}, FailedReason: "SyncConfigMapTargetFailed"},
			no, "SyncConfigMapTargetFailed", "5 of 9 targets failed: ConfigMap in namespace a: webhook denied it; " +
				"ConfigMap in namespace b: webhook denied it; Secret in namespace a: webhook denied it; and 2 more",
		},
		"S11 nothing built since the start": {
			ledger.Summary{Attempt: invalid},
			no, "SourceBuildError", "block 3 is damaged. No bundle has been built since the operator started: " +
				"targets are left as they are, and new namespaces wait",
		},
		"S11 the last good one stays": {
			ledger.Summary{Attempt: invalid, Built: true, Wanted: 3, Synced: 3, Namespaces: 3},
			no, "SourceBuildError", "block 3 is damaged. The last good bundle stays: 3 of 3 targets hold it",
		},
		"S11 the last good one stays, with failures": {
			ledger.Summary{Attempt: invalid, Built: true, Wanted: 3, Synced: 2, Failed: 1, Failures: []ledger.Failure{failure(bundle.ConfigMap, "a")}, FailedReason: "SyncConfigMapTargetFailed"},
			no, "SourceBuildError", "block 3 is damaged. The last good bundle stays: 2 of 3 targets hold it; " +
				"1 of 3 targets failed: ConfigMap in namespace a: webhook denied it",
		},
		"S11 a rollout of the last good one continues": {
			ledger.Summary{Attempt: invalid, Built: true, Wanted: 3, Synced: 1, Since: start},
			no, "SourceBuildError", "block 3 is damaged. The last good bundle stays: 1 of 3 targets hold it",
		},
		"S11 no place wanted the last good one": {
			ledger.Summary{Attempt: invalid, Built: true},
			no, "SourceBuildError", "block 3 is damaged",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, wait, keep := tc.summary.Condition(start)
			if wait != 0 || keep {
				t.Errorf("wait %s, keep %t", wait, keep)
			}
			want := metav1.Condition{Type: "Synced", Status: tc.status, Reason: tc.reason, Message: tc.message, ObservedGeneration: 7}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("condition (-want +got):\n%s", diff)
			}
		})
	}
}

// C1: the status reports a rollout only after about a second. While nothing needed a
// write, as after a restart, the status does not change.
func TestConditionWaits(t *testing.T) {
	t.Parallel()
	pending := ledger.Summary{Built: true, Wanted: 2, Synced: 1, Since: start, Wrote: true}
	looking := pending
	looking.Wrote = false
	type answer struct {
		Wait time.Duration
		Keep bool
	}
	cases := map[string]struct {
		summary ledger.Summary
		after   time.Duration
		want    answer
	}{
		"just begun":            {pending, 0, answer{Wait: time.Second}},
		"under way":             {pending, 999 * time.Millisecond, answer{Wait: time.Millisecond}},
		"after a second":        {pending, time.Second, answer{}},
		"only looking":          {looking, 0, answer{Keep: true}},
		"only looking, at last": {looking, time.Hour, answer{Keep: true}},
		"the clock went back":   {pending, -time.Second, answer{Wait: 2 * time.Second}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			condition, wait, keep := tc.summary.Condition(start.Add(tc.after))
			if got := (answer{wait, keep}); got != tc.want {
				t.Errorf("wait and keep %v, want %v", got, tc.want)
			}
			if holds := tc.want == (answer{}); holds != (condition.Reason == "Syncing") {
				t.Errorf("reason %q", condition.Reason)
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
	if _, wait, keep := summary(t, l).Condition(later); wait != 0 || !keep {
		t.Errorf("on the way: wait %s, keep %t", wait, keep)
	}
	l.Synced(id("roots"), 1, configMap("b"))
	if condition, _, keep := summary(t, l).Condition(later); keep || condition.Reason != "Synced" {
		t.Errorf("at the end: reason %q, keep %t", condition.Reason, keep)
	}
}

// A bundle that has been built but has no revision yet is in no target, so it is too early
// to report anything.
func TestBuiltButNotBegun(t *testing.T) {
	t.Parallel()
	l := ledger.New()
	l.RecordBuild(id("roots"), ledger.Attempt{UID: "uid", Generation: 1, Content: ledger.Content{Certificates: 2}})
	if condition, _, keep := summary(t, l).Condition(start); !keep {
		t.Errorf("it says %s %s: %s", condition.Status, condition.Reason, condition.Message)
	}
}

// The same state results in the same message, whatever the order of events.
func TestWordsDoNotFollowTheOrderOfEvents(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		places, outcomes := randomOutcomes(random)
		var first metav1.Condition
		for attempt := range 5 {
			random.Shuffle(len(places), func(i, j int) { places[i], places[j] = places[j], places[i] })
			l := ledger.New()
			l.RecordBuild(id("roots"), ledger.Attempt{Generation: 2, Content: ledger.Content{Certificates: 5}})
			l.StartRollout(id("roots"), 1, places, start)
			random.Shuffle(len(places), func(i, j int) { places[i], places[j] = places[j], places[i] })
			for _, place := range places {
				outcomes[place](l, place)
			}
			got, _, _ := summary(t, l).Condition(start.Add(time.Minute))
			if attempt == 0 {
				first = got
			}
			if diff := cmp.Diff(first, got); diff != "" {
				t.Fatalf("in another order it says (-first +now):\n%s", diff)
			}
		}
	}
}

// randomOutcomes returns places with an outcome for each.
func randomOutcomes(random *rand.Rand) ([]target.Ref, map[target.Ref]func(*ledger.Ledger, target.Ref)) {
	kinds := map[string]func(*ledger.Ledger, target.Ref){
		"pending": func(l *ledger.Ledger, p target.Ref) { l.MarkWriting(id("roots"), 1, p) },
		"synced":  func(l *ledger.Ledger, p target.Ref) { l.Synced(id("roots"), 1, p) },
		"failed":  func(l *ledger.Ledger, p target.Ref) { l.Failed(id("roots"), 1, p, "cause in "+p.Namespace) },
		"recovered": func(l *ledger.Ledger, p target.Ref) {
			l.Failed(id("roots"), 1, p, "soon over")
			l.Synced(id("roots"), 1, p)
		},
		"forgotten": func(l *ledger.Ledger, p target.Ref) {
			l.Failed(id("roots"), 1, p, "of no interest")
			l.Forget(id("roots"), p)
		},
	}
	names := []string{"pending", "synced", "synced", "failed", "recovered", "forgotten"}[random.IntN(2):]
	var places []target.Ref
	outcomes := map[target.Ref]func(*ledger.Ledger, target.Ref){}
	for i := range 1 + random.IntN(12) {
		for _, kind := range []bundle.Kind{bundle.ConfigMap, bundle.Secret}[:1+random.IntN(2)] {
			place := target.Ref{Kind: kind, Namespace: fmt.Sprint("team-", i)}
			places = append(places, place)
			outcomes[place] = kinds[names[random.IntN(len(names))]]
		}
	}
	return places, outcomes
}

// A message stays within the limit of the API, and readable, whatever the number and length
// of failures.
func TestMessageIsBounded(t *testing.T) {
	t.Parallel()
	const many = 5000
	loud := strings.Repeat("ä very long cause. ", 10_000)
	l := ledger.New()
	l.RecordBuild(id("roots"), ledger.Attempt{Content: ledger.Content{Certificates: 1}})
	var places []target.Ref
	for i := range many {
		places = append(places, configMap(fmt.Sprintf("team-%04d-%s", i, strings.Repeat("x", 50))))
	}
	l.StartRollout(id("roots"), 1, places, start)
	for _, place := range places {
		l.Failed(id("roots"), 1, place, loud)
	}
	s := summary(t, l)
	if s.Failed != many {
		t.Fatalf("%d failures, want %d", s.Failed, many)
	}
	notes := make([]string, many)
	for i := range notes {
		notes[i] = fmt.Sprintf("skipped block %d of some source with a long name, for a long reason", i)
	}
	for name, summary := range map[string]ledger.Summary{
		"failures":              s,
		"failures on the way":   changed(s, func(s *ledger.Summary) { s.Wanted, s.Wrote = many+1, true }),
		"failures and no build": changed(s, func(s *ledger.Summary) { s.Attempt = ledger.Attempt{Reason: "SourceNotFound", Message: "gone"} }),
		"loud notes":            {Attempt: ledger.Attempt{Notes: []string{loud, loud, loud}}, Built: true},
		"notes":                 {Attempt: ledger.Attempt{Notes: notes}, Built: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			condition, _, _ := summary.Condition(start.Add(time.Hour))
			if size := len(condition.Message); size > maxMessage {
				t.Errorf("the message has %d bytes, the API takes %d", size, maxMessage)
			}
			if size := len(condition.Message); size > 2000 {
				t.Errorf("the message has %d bytes, which is unreadable", size)
			}
			if !utf8.ValidString(condition.Message) {
				t.Error("the message is not UTF-8")
			}
		})
	}
}

func changed(s ledger.Summary, change func(*ledger.Summary)) ledger.Summary {
	change(&s)
	return s
}

// A cause is truncated between characters, and marked as truncated.
func TestCauseIsCutBetweenCharacters(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ cause, want string }{
		"short":            {strings.Repeat("x", 300), strings.Repeat("x", 300)},
		"long":             {strings.Repeat("x", 301), strings.Repeat("x", 300) + "…"},
		"within character": {strings.Repeat("x", 299) + "ää", strings.Repeat("x", 299) + "…"},
		"for a terminal":   {"red: \x1b[31m\nnext\u009b", "red:  [31m next "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := ledger.Summary{Built: true, Wanted: 1, Failed: 1, Failures: []ledger.Failure{{Target: configMap("a"), Cause: tc.cause}}}
			condition, _, _ := s.Condition(start)
			want := "1 of 1 target failed: ConfigMap in namespace a: " + tc.want
			if condition.Message != want {
				t.Errorf("message %q, want %q", condition.Message, want)
			}
		})
	}
}
