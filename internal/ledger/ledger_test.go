package ledger_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/ledger"
	"trust-manager.io/internal/target"
)

// start is the time at which the tests begin.
var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// Places of the tests.
func id(name string) bundle.ID { return bundle.ID{Kind: bundle.APIBundle, Name: name} }

func configMap(namespace string) target.Ref {
	return target.Ref{Kind: bundle.ConfigMap, Namespace: namespace}
}

func secret(namespace string) target.Ref {
	return target.Ref{Kind: bundle.Secret, Namespace: namespace}
}

// begun returns a ledger with revision 1 of the bundle roots, built and wanted in some
// places.
func begun(places ...target.Ref) *ledger.Ledger {
	l := ledger.New()
	l.RecordBuild(id("roots"), ledger.Attempt{UID: "uid", Generation: 3, Content: ledger.Content{Certificates: 2}})
	l.StartRollout(id("roots"), 1, places, start)
	return l
}

// summary returns the summary of the bundle roots.
func summary(tb testing.TB, l *ledger.Ledger) ledger.Summary {
	tb.Helper()
	s, ok := l.Summary(id("roots"))
	if !ok {
		tb.Fatal("there is no account of the bundle")
	}
	return s
}

// Each event changes the summary as expected, and reports whether the status changes.
func TestTransitions(t *testing.T) {
	t.Parallel()
	const current, older = 1, 0
	a, b := configMap("a"), configMap("b")
	type account struct{ wanted, synced, failed int }
	type event struct {
		happens func(*ledger.Ledger) bool
		tell    bool
	}
	begin := func(l *ledger.Ledger) bool { l.StartRollout(id("roots"), 2, []target.Ref{b}, start); return false }
	want := func(p target.Ref, revision uint64) func(*ledger.Ledger) bool {
		return func(l *ledger.Ledger) bool { l.AddTarget(id("roots"), revision, p, start); return false }
	}
	writing := func(p target.Ref, revision uint64) func(*ledger.Ledger) bool {
		return func(l *ledger.Ledger) bool { return l.MarkWriting(id("roots"), revision, p) }
	}
	synced := func(p target.Ref, revision uint64) func(*ledger.Ledger) bool {
		return func(l *ledger.Ledger) bool { return l.Synced(id("roots"), revision, p) }
	}
	failed := func(p target.Ref, revision uint64, cause string) func(*ledger.Ledger) bool {
		return func(l *ledger.Ledger) bool { return l.Failed(id("roots"), revision, p, cause) }
	}
	forget := func(p target.Ref) func(*ledger.Ledger) bool {
		return func(l *ledger.Ledger) bool { return l.Forget(id("roots"), p) }
	}
	cases := map[string]struct {
		events []event
		want   account
	}{
		"begun":                    {nil, account{2, 0, 0}},
		"one of two is synced":     {[]event{{synced(a, current), false}}, account{2, 1, 0}},
		"the last one is synced":   {[]event{{synced(a, current), false}, {synced(b, current), true}}, account{2, 2, 0}},
		"synced twice":             {[]event{{synced(a, current), false}, {synced(a, current), false}}, account{2, 1, 0}},
		"one fails":                {[]event{{failed(a, current, "x"), true}}, account{2, 0, 1}},
		"one fails again, alike":   {[]event{{failed(a, current, "x"), true}, {failed(a, current, "x"), false}}, account{2, 0, 1}},
		"one fails otherwise":      {[]event{{failed(a, current, "x"), true}, {failed(a, current, "y"), true}}, account{2, 0, 1}},
		"one fails without a word": {[]event{{failed(a, current, ""), true}, {failed(a, current, ""), false}}, account{2, 0, 1}},
		"one recovers":             {[]event{{failed(a, current, "x"), true}, {synced(a, current), true}}, account{2, 1, 0}},
		"one fails after all":      {[]event{{synced(a, current), false}, {failed(a, current, "x"), true}}, account{2, 0, 1}},
		"T6 a release fails":       {[]event{{failed(configMap("c"), current, "x"), true}}, account{3, 0, 1}},
		"T6 a release succeeds after that": {
			[]event{{failed(configMap("c"), current, "x"), true}, {forget(configMap("c")), true}}, account{2, 0, 0},
		},
		"the first write is reported":   {[]event{{writing(a, current), true}, {writing(b, current), false}}, account{2, 0, 0}},
		"a write after a success":       {[]event{{synced(a, current), false}, {writing(a, current), false}}, account{2, 1, 0}},
		"a write where nothing is kept": {[]event{{writing(configMap("c"), current), false}}, account{2, 0, 0}},
		"synced where nothing is kept":  {[]event{{synced(configMap("c"), current), false}}, account{2, 0, 0}},
		"a new namespace":               {[]event{{want(configMap("c"), current), false}}, account{3, 0, 0}},
		"wanted already":                {[]event{{synced(a, current), false}, {want(a, current), false}}, account{2, 1, 0}},
		"another kind":                  {[]event{{want(secret("a"), current), false}}, account{3, 0, 0}},
		"T9 a namespace is gone": {
			[]event{{synced(a, current), false}, {forget(a), true}, {forget(a), false}}, account{1, 0, 0},
		},
		"T9 a failed namespace is gone": {
			[]event{{failed(a, current, "x"), true}, {forget(a), true}}, account{1, 0, 0},
		},
		"an unknown namespace is gone": {[]event{{forget(configMap("c")), false}}, account{2, 0, 0}},
		"of another revision": {
			[]event{{synced(a, older), false}, {failed(b, older, "x"), false}, {want(configMap("c"), older), false}, {writing(a, older), false}},
			account{2, 0, 0},
		},
		"of the revision before": {
			[]event{{begin, false}, {synced(b, current), false}, {failed(b, current, "x"), false}}, account{1, 0, 0},
		},
		"a new revision starts from scratch": {
			[]event{{synced(a, current), false}, {failed(b, current, "x"), true}, {begin, false}}, account{1, 0, 0},
		},
		"the same failure is news in a new revision": {
			[]event{{failed(b, current, "x"), true}, {begin, false}, {failed(b, 2, "x"), true}}, account{1, 0, 1},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := begun(a, b)
			for i, event := range tc.events {
				if tell := event.happens(l); tell != event.tell {
					t.Errorf("event %d is reported: %t, want %t", i+1, tell, event.tell)
				}
			}
			s := summary(t, l)
			if got := (account{s.Wanted, s.Synced, s.Failed}); got != tc.want {
				t.Errorf("wanted, synced, failed %v, want %v", got, tc.want)
			}
			if len(s.Failures) != s.Failed {
				t.Errorf("%d failures are shown, %d counted", len(s.Failures), s.Failed)
			}
		})
	}
}

// A bundle has no summary before its first attempt or after it was dropped, and no other
// event creates one.
func TestUnknownBundle(t *testing.T) {
	t.Parallel()
	for name, l := range map[string]*ledger.Ledger{"new": ledger.New(), "dropped": dropped()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l.AddTarget(id("roots"), 1, configMap("a"), start)
			if l.MarkWriting(id("roots"), 1, configMap("a")) || l.Synced(id("roots"), 1, configMap("a")) ||
				l.Failed(id("roots"), 1, configMap("a"), "x") || l.Forget(id("roots"), configMap("a")) {
				t.Error("an event about it is reported")
			}
			if s, ok := l.Summary(id("roots")); ok {
				t.Errorf("summary %v", s)
			}
		})
	}
}

func dropped() *ledger.Ledger {
	l := begun(configMap("a"))
	l.Drop(id("roots"))
	return l
}

// Before its first revision a bundle has no places. The number 0 means no revision and
// matches none.
func TestNoRevisionYet(t *testing.T) {
	t.Parallel()
	l := ledger.New()
	l.RecordBuild(id("roots"), ledger.Attempt{Reason: "SourceNotFound"})
	l.AddTarget(id("roots"), 0, configMap("a"), start)
	if l.MarkWriting(id("roots"), 0, configMap("a")) || l.Synced(id("roots"), 0, configMap("a")) ||
		l.Failed(id("roots"), 0, configMap("a"), "x") || l.Forget(id("roots"), configMap("a")) {
		t.Error("an event about it is reported")
	}
	if s := summary(t, l); s.Built || s.Wanted != 0 {
		t.Errorf("summary %v", s)
	}
}

// The summary has everything that the condition and the metrics need.
func TestSummary(t *testing.T) {
	t.Parallel()
	attempt := ledger.Attempt{UID: "uid", Generation: 3, Content: ledger.Content{Certificates: 2}, Notes: []string{"n"}, DefaultCAVersion: "v"}
	l := ledger.New()
	l.RecordBuild(id("roots"), attempt)
	l.RecordBuild(id("other"), ledger.Attempt{Reason: "SourceNotFound"})
	l.StartRollout(id("roots"), 1, []target.Ref{
		secret("b"), configMap("b"), secret("a"), configMap("a"), configMap("c"), secret("c"),
	}, start)
	l.MarkWriting(id("roots"), 1, configMap("b"))
	for _, place := range []target.Ref{secret("b"), secret("a"), configMap("c"), configMap("b")} {
		l.Failed(id("roots"), 1, place, "cause of "+place.Namespace)
	}
	l.Synced(id("roots"), 1, configMap("a"))
	want := ledger.Summary{
		Kind: bundle.APIBundle, Attempt: attempt, Content: attempt.Content, Built: true, Wanted: 6, Synced: 1, Failed: 4, Namespaces: 3,
		Kinds: []ledger.KindCounts{{Kind: "ConfigMap", Wanted: 3, Synced: 1, Failed: 2}, {Kind: "Secret", Wanted: 3, Failed: 2}},
		Failures: []ledger.Failure{
			{Target: configMap("b"), Cause: "cause of b"},
			{Target: configMap("c"), Cause: "cause of c"},
			{Target: secret("a"), Cause: "cause of a"},
		},
		FailedReason: "SyncConfigMapTargetFailed", Since: start, Wrote: true,
	}
	if diff := cmp.Diff(want, summary(t, l), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	if other, _ := l.Summary(id("other")); other.Built || other.Wanted != 0 || other.Attempt.Reason != "SourceNotFound" {
		t.Errorf("the other bundle: %v", other)
	}
	if s := summary(t, begun()); s.Namespaces != 0 || s.Wanted != 0 || !s.Built {
		t.Errorf("A6: without targets: %v", s)
	}
}

// If a Bundle no longer has targets of two kinds, its namespaces are not counted by two.
func TestNamespacesByKinds(t *testing.T) {
	t.Parallel()
	l := begun(configMap("a"), configMap("b"), secret("a"), secret("b"))
	for _, step := range []struct {
		forgotten target.Ref
		want      int
	}{{secret("a"), 1}, {secret("b"), 2}, {configMap("b"), 1}} {
		l.Forget(id("roots"), step.forgotten)
		if got := summary(t, l).Namespaces; got != step.want {
			t.Errorf("without %v: %d namespaces, want %d", step.forgotten, got, step.want)
		}
	}
}

// A rollout begins with the first pending place: a namespace that is added after all
// others are synced starts a new one.
func TestSinceIsTheBeginningOfTheRollOut(t *testing.T) {
	t.Parallel()
	l := begun(configMap("a"))
	l.MarkWriting(id("roots"), 1, configMap("a"))
	l.AddTarget(id("roots"), 1, configMap("b"), start.Add(time.Minute))
	if s := summary(t, l); !s.Since.Equal(start) || !s.Wrote {
		t.Errorf("while the first is pending: since %s, wrote %t", s.Since, s.Wrote)
	}
	l.Synced(id("roots"), 1, configMap("a"))
	l.Synced(id("roots"), 1, configMap("b"))
	l.AddTarget(id("roots"), 1, configMap("c"), start.Add(time.Hour))
	if s := summary(t, l); !s.Since.Equal(start.Add(time.Hour)) || s.Wrote {
		t.Errorf("after both are done: since %s, wrote %t", s.Since, s.Wrote)
	}
}

// A13, S11: while the last good bundle stays, so does the version of the default CA
// package that it was built from.
func TestTriedKeepsTheDefaultCAVersion(t *testing.T) {
	t.Parallel()
	good := ledger.Attempt{DefaultCAVersion: "package-1"}
	bad := ledger.Attempt{Reason: "SourceNotFound", DefaultCAVersion: "package-2"}
	for name, tc := range map[string]struct {
		tried []ledger.Attempt
		built bool
		want  string
	}{
		"a good one":                 {[]ledger.Attempt{good}, true, "package-1"},
		"a bad one after a good one": {[]ledger.Attempt{good, bad}, true, "package-1"},
		"two bad ones":               {[]ledger.Attempt{good, bad, bad}, true, "package-1"},
		"a bad one and nothing else": {[]ledger.Attempt{bad}, false, "package-2"},
		"a good one without package": {[]ledger.Attempt{good, {}}, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := ledger.New()
			if tc.built {
				l.StartRollout(id("roots"), 1, nil, start)
			}
			for _, attempt := range tc.tried {
				l.RecordBuild(id("roots"), attempt)
			}
			if got := summary(t, l).Attempt.DefaultCAVersion; got != tc.want {
				t.Errorf("version %q, want %q", got, tc.want)
			}
		})
	}
}

// An attempt replaces the previous attempt, and does not affect the states of targets.
func TestTriedKeepsTheAccount(t *testing.T) {
	t.Parallel()
	l := begun(configMap("a"))
	l.Synced(id("roots"), 1, configMap("a"))
	l.RecordBuild(id("roots"), ledger.Attempt{UID: "uid", Generation: 4, Reason: "SourceNotFound", Message: "m"})
	if s := summary(t, l); s.Synced != 1 || !s.Built || s.Attempt.Generation != 4 || s.Attempt.Certificates != 0 {
		t.Errorf("summary %v", s)
	}
}

// C5: Summaries agrees with Summary for each bundle.
func TestSummaries(t *testing.T) {
	t.Parallel()
	if all := ledger.New().Summaries(); len(all) > 0 {
		t.Errorf("of nothing: %v", all)
	}
	l := begun(configMap("a"), secret("a"))
	l.Failed(id("roots"), 1, secret("a"), "refused")
	l.RecordBuild(id("broken"), ledger.Attempt{UID: "other", Reason: "SourceNotFound"})
	want := map[bundle.ID]ledger.Summary{id("roots"): summary(t, l)}
	want[id("broken")], _ = l.Summary(id("broken"))
	if diff := cmp.Diff(want, l.Summaries()); diff != "" {
		t.Errorf("(-one by one +all):\n%s", diff)
	}
	l.Drop(id("broken"))
	if all := l.Summaries(); len(all) != 1 || all[id("roots")].Failed != 1 {
		t.Errorf("after one was dropped: %v", all)
	}
}
