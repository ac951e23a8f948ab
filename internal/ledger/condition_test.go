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

// C1, C2, C6, S11: the conditions for each state of a rollout, without an earlier status.
func TestConditions(t *testing.T) {
	t.Parallel()
	built := ledger.Attempt{Generation: 7, Content: ledger.Content{Certificates: 2}}
	invalid := ledger.Attempt{Generation: 7, Reason: "SourceBuildError", Message: "block 3 is damaged"}
	failure := func(kind bundle.Kind, namespace string) ledger.Failure {
		return ledger.Failure{Target: target.Ref{Kind: kind, Namespace: namespace}, Cause: "webhook denied it"}
	}
	no, yes := metav1.ConditionFalse, metav1.ConditionTrue
	cases := map[string]struct {
		summary ledger.Summary
		// synced is the status of Synced, or empty if there is none; next is the type of
		// the condition that accompanies Ready=False.
		synced  metav1.ConditionStatus
		next    string
		reason  string
		message string
	}{
		"C1 all hold it": {
			ledger.Summary{Attempt: built, Built: true, Wanted: 3, Synced: 3, Namespaces: 3},
			yes, "", "Synced", "The bundle of 2 certificates is in 3 namespaces",
		},
		"C1 one of each": {
			ledger.Summary{Attempt: ledger.Attempt{Generation: 7, Content: ledger.Content{Certificates: 1}}, Built: true, Wanted: 2, Synced: 2, Namespaces: 1},
			yes, "", "Synced", "The bundle of 1 certificate is in 1 namespace",
		},
		"A6 no target": {
			ledger.Summary{Attempt: built, Built: true},
			yes, "", "Synced", "The bundle of 2 certificates is in 0 namespaces",
		},
		"S6 with notes": {
			ledger.Summary{Attempt: ledger.Attempt{Generation: 7, Content: ledger.Content{Certificates: 2}, Notes: []string{"one", "two"}}, Built: true, Wanted: 1, Synced: 1, Namespaces: 1},
			yes, "", "Synced", "The bundle of 2 certificates is in 1 namespace; note: one; note: two",
		},
		"with more notes than are shown": {
			ledger.Summary{Attempt: ledger.Attempt{Generation: 7, Content: ledger.Content{Certificates: 2}, Notes: []string{"1", "2", "3", "4"}}, Built: true, Wanted: 1, Synced: 1, Namespaces: 1},
			yes, "", "Synced", "The bundle of 2 certificates is in 1 namespace; note: 1; note: 2; note: 3; and 1 more",
		},
		"C1 rolling out": {
			ledger.Summary{Attempt: built, Built: true, Wanted: 3, Synced: 1, Wrote: true, Since: start.Add(-time.Second)},
			"", "Reconciling", "Rollout", "Rolling out: 1 of 3 targets hold the current bundle",
		},
		"C6 the first rollout has not needed a write": {
			ledger.Summary{Attempt: built, Built: true, Wanted: 3, Since: start.Add(-time.Second)},
			"", "Reconciling", "Rollout", "Rolling out: 0 of 3 targets hold the current bundle",
		},
		"C6 a missing source": {
			ledger.Summary{Attempt: ledger.Attempt{Generation: 7, Reason: "SourceNotFound", Message: "it is missing"}},
			no, "Reconciling", "SourceNotFound", "it is missing. No bundle has been built since the operator started: " +
				"targets are left as they are, and new namespaces wait",
		},
		"C6 a rotation state that is not saved": {
			ledger.Summary{Attempt: ledger.Attempt{Generation: 7, Reason: "RotationStateFailed", Message: "denied"}, Built: true},
			no, "Reconciling", "RotationStateFailed", "denied",
		},
		"C6 too large": {
			ledger.Summary{Attempt: ledger.Attempt{Generation: 7, Reason: "BundleTooLarge", Message: "2 MiB"}, Built: true},
			no, "Stalled", "BundleTooLarge", "2 MiB",
		},
		"C6 Secrets are disabled": {
			ledger.Summary{Attempt: ledger.Attempt{Generation: 7, Reason: "SecretTargetsDisabled", Message: "no Secrets"}, Built: true},
			no, "Stalled", "SecretTargetsDisabled", "no Secrets",
		},
		"C2 a ConfigMap failed": {
			ledger.Summary{Attempt: built, Built: true, Wanted: 2, Synced: 1, Failed: 1, Failures: []ledger.Failure{failure(bundle.ConfigMap, "a")}, FailedReason: "SyncConfigMapTargetFailed"},
			no, "Reconciling", "SyncConfigMapTargetFailed", "1 of 2 targets failed: ConfigMap in namespace a: webhook denied it",
		},
		"C2 a Secret failed": {
			ledger.Summary{Attempt: built, Built: true, Wanted: 1, Failed: 1, Failures: []ledger.Failure{failure(bundle.Secret, "a")}, FailedReason: "SyncSecretTargetFailed"},
			no, "Reconciling", "SyncSecretTargetFailed", "1 of 1 target failed: Secret in namespace a: webhook denied it",
		},
		"C2 both failed, and more than are shown": {
			ledger.Summary{Attempt: built, Built: true, Wanted: 9, Synced: 4, Failed: 5, Failures: []ledger.Failure{
				failure(bundle.ConfigMap, "a"), failure(bundle.ConfigMap, "b"), failure(bundle.Secret, "a"),
			}, FailedReason: "SyncConfigMapTargetFailed"},
			no, "Reconciling", "SyncConfigMapTargetFailed", "5 of 9 targets failed: ConfigMap in namespace a: webhook denied it; " +
				"ConfigMap in namespace b: webhook denied it; Secret in namespace a: webhook denied it; and 2 more",
		},
		"S11 nothing built since the start": {
			ledger.Summary{Attempt: invalid},
			no, "Stalled", "SourceBuildError", "block 3 is damaged. No bundle has been built since the operator started: " +
				"targets are left as they are, and new namespaces wait",
		},
		"with a note for all Bundles": {
			ledger.Summary{Attempt: built, Note: "the API server drops fields", Built: true, Wanted: 1, Synced: 1, Namespaces: 1},
			yes, "", "Synced", "The bundle of 2 certificates is in 1 namespace; note: the API server drops fields",
		},
		"a failure with a note for all Bundles": {
			ledger.Summary{Attempt: invalid, Note: "the API server drops fields", Built: true},
			no, "Stalled", "SourceBuildError", "block 3 is damaged; note: the API server drops fields",
		},
		"S11 the last good one stays": {
			ledger.Summary{Attempt: invalid, Built: true, Wanted: 3, Synced: 3, Namespaces: 3},
			no, "Stalled", "SourceBuildError", "block 3 is damaged. The last good bundle stays: 3 of 3 targets hold it",
		},
		"S11 the last good one stays, with failures": {
			ledger.Summary{Attempt: invalid, Built: true, Wanted: 3, Synced: 2, Failed: 1, Failures: []ledger.Failure{failure(bundle.ConfigMap, "a")}, FailedReason: "SyncConfigMapTargetFailed"},
			no, "Stalled", "SourceBuildError", "block 3 is damaged. The last good bundle stays: 2 of 3 targets hold it; " +
				"1 of 3 targets failed: ConfigMap in namespace a: webhook denied it",
		},
		"S11 a rollout of the last good one continues": {
			ledger.Summary{Attempt: invalid, Built: true, Wanted: 3, Synced: 1, Since: start},
			no, "Stalled", "SourceBuildError", "block 3 is damaged. The last good bundle stays: 1 of 3 targets hold it",
		},
		"S11 no place wanted the last good one": {
			ledger.Summary{Attempt: invalid, Built: true},
			no, "Stalled", "SourceBuildError", "block 3 is damaged",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, wait, keep := tc.summary.Conditions(nil, start)
			if wait != 0 || keep {
				t.Errorf("wait %s, keep %t", wait, keep)
			}
			var want []metav1.Condition
			add := func(conditionType string, status metav1.ConditionStatus) {
				want = append(want, metav1.Condition{Type: conditionType, Status: status, Reason: tc.reason, Message: tc.message, ObservedGeneration: 7})
			}
			if tc.synced != "" {
				add("Synced", tc.synced)
			}
			ready := no
			if tc.next == "" {
				ready = yes
			}
			add("Ready", ready)
			if tc.next != "" {
				add(tc.next, yes)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("conditions (-want +got):\n%s", diff)
			}
		})
	}
}

// The same state results in the same message, whatever the order of events.
func TestWordsDoNotFollowTheOrderOfEvents(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		places, outcomes := randomOutcomes(random)
		var first []metav1.Condition
		for attempt := range 5 {
			random.Shuffle(len(places), func(i, j int) { places[i], places[j] = places[j], places[i] })
			l := ledger.New()
			l.RecordBuild(id("roots"), ledger.Attempt{Generation: 2, Content: ledger.Content{Certificates: 5}})
			l.StartRollout(id("roots"), 1, places, start)
			random.Shuffle(len(places), func(i, j int) { places[i], places[j] = places[j], places[i] })
			for _, place := range places {
				outcomes[place](l, place)
			}
			got, _, _ := summary(t, l).Conditions(nil, start.Add(time.Minute))
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
			conditions, _, _ := summary.Conditions(nil, start.Add(time.Hour))
			condition := conditions[0]
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
			conditions, _, _ := s.Conditions(nil, start)
			want := "1 of 1 target failed: ConfigMap in namespace a: " + tc.want
			if got := conditions[0].Message; got != want {
				t.Errorf("message %q, want %q", got, want)
			}
		})
	}
}
