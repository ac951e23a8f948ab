package status

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/ledger"
	"trust-manager.io/test/framework/fake"
)

// A failed write is retried, unless the Bundle does not exist.
func TestStatusWriteFails(t *testing.T) {
	t.Parallel()
	bundles := schema.GroupResource{Group: v1alpha1.GroupName, Resource: "bundles"}
	for name, tc := range map[string]struct {
		err   error
		fails bool
		again time.Duration
	}{
		"another Bundle, or others were faster": {apierrors.NewConflict(bundles, "roots", fake.ErrDenied), false, minInterval},
		"no Bundle":                             {apierrors.NewNotFound(bundles, "roots"), false, 0},
		"anything else":                         {fake.ErrDenied, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _, c := statusesOf()
			c.err = tc.err
			result, err := s.Reconcile(fake.Quiet(t), fake.ID("roots"))
			if (err != nil) != tc.fails || result.RequeueAfter != tc.again {
				t.Errorf("error %v, again after %s; want again after %s", err, result.RequeueAfter, tc.again)
			}
			if len(s.written) > 0 {
				t.Errorf("remembered: %v", s.written)
			}
		})
	}
}

func TestStatusWithoutCache(t *testing.T) {
	t.Parallel()
	s, w, _ := statusesOf()
	w.cache.Err = fake.ErrDenied
	if _, err := s.Reconcile(fake.Quiet(t), fake.ID("roots")); err == nil {
		t.Error("no error")
	}
}

// The response to the operator's last write overlays the cache until the cache has that
// version or a newer one. The cached object in this test has no status.
func TestStatusOverlay(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		version string
		writes  int
	}{
		"the cache lags behind":            {"4", 0},
		"the cache shows that write":       {"5", 1},
		"another client has written since": {"6", 1},
		"it cannot be compared":            {"x", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, w, c := statusesOf()
			s.tell(t) // which results in version 5
			c.reasons(t)
			w.time.Time = fake.Start.Add(time.Minute)
			w.cache.Bundles[0].ResourceVersion = tc.version
			s.tell(t)
			if writes := len(c.reasons(t)); writes != tc.writes {
				t.Errorf("%d writes, want %d", writes, tc.writes)
			}
		})
	}
}

// C1: lastTransitionTime changes only with the status value.
func TestWithTransition(t *testing.T) {
	t.Parallel()
	earlier := metav1.NewTime(fake.Start.Add(-time.Hour))
	with := func(status metav1.ConditionStatus) ledger.Report {
		return ledger.Report{Conditions: []metav1.Condition{{Type: "Theirs", Status: "True"}, {Type: "Synced", Status: status, Reason: "Older", LastTransitionTime: earlier}}}
	}
	condition := metav1.Condition{Type: "Synced", Status: "False", Reason: "Newer"}
	now := fake.Start.Add(500 * time.Millisecond)
	for name, tc := range map[string]struct {
		current ledger.Report
		want    metav1.Time
	}{
		"none before":     {ledger.Report{}, metav1.NewTime(fake.Start)},
		"the same status": {with("False"), earlier},
		"another status":  {with("True"), metav1.NewTime(fake.Start)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := withTransition(condition, tc.current, now).LastTransitionTime; !got.Equal(&tc.want) {
				t.Errorf("time %s, want %s", got, tc.want)
			}
		})
	}
}

func TestIsEqual(t *testing.T) {
	t.Parallel()
	wanted := func(change func(*ledger.Report)) ledger.Report {
		status := ledger.Report{DefaultCAVersion: "v", Conditions: []metav1.Condition{
			{Type: "Synced", Status: "True", Reason: "Synced", Message: "m", ObservedGeneration: 2, LastTransitionTime: metav1.NewTime(fake.Start)},
		}}
		change(&status)
		return status
	}
	for name, tc := range map[string]struct {
		change func(*ledger.Report)
		want   bool
	}{
		"itself":             {func(*ledger.Report) {}, true},
		"with one of others": {func(s *ledger.Report) { s.Conditions = append(s.Conditions, metav1.Condition{Type: "Theirs"}) }, true},
		"at another time":    {func(s *ledger.Report) { s.Conditions[0].LastTransitionTime = metav1.Time{} }, true},
		"none":               {func(s *ledger.Report) { s.Conditions = nil }, false},
		"other status":       {func(s *ledger.Report) { s.Conditions[0].Status = "False" }, false},
		"other reason":       {func(s *ledger.Report) { s.Conditions[0].Reason = "x" }, false},
		"other message":      {func(s *ledger.Report) { s.Conditions[0].Message = "x" }, false},
		"other generation":   {func(s *ledger.Report) { s.Conditions[0].ObservedGeneration = 1 }, false},
		"other package":      {func(s *ledger.Report) { s.DefaultCAVersion = "" }, false},
		"observed another":   {func(s *ledger.Report) { s.ObservedGeneration = 1 }, false},
		"other digest":       {func(s *ledger.Report) { s.Digest = "x" }, false},
		"changed at a time":  {func(s *ledger.Report) { s.LastChanged = new(metav1.NewTime(fake.Start)) }, false},
		"one that is over":   {func(s *ledger.Report) { s.Conditions = append(s.Conditions, metav1.Condition{Type: "Stalled"}) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := isEqual(wanted(tc.change), wanted(func(*ledger.Report) {})); got != tc.want {
				t.Errorf("same() = %t", got)
			}
		})
	}
}

// recorder records events as text.
type recorder struct{ events []string }

func (r *recorder) Eventf(regarding, _ runtime.Object, kind, reason, action, note string, args ...any) {
	about, ok := regarding.(*v1alpha1.Bundle)
	if !ok {
		about = &v1alpha1.Bundle{}
	}
	r.events = append(r.events, fmt.Sprintf("%s %s %s %s: %s", about.Name, kind, reason, action, fmt.Sprintf(note, args...)))
}

// C4: one event for each transition, not for each target and not for progress.
func TestEvents(t *testing.T) {
	t.Parallel()
	s, w, _ := statusesOf(inA())
	told := &recorder{}
	s.events = told
	want := func(what string, events ...string) {
		t.Helper()
		w.time.Time = w.time.Time.Add(10 * time.Second)
		s.tell(t)
		if diff := cmp.Diff(events, told.events); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
		told.events = nil
	}
	w.ledger.MarkWriting(fake.ID("roots"), 1, inA())
	want("under way") // Synced is absent
	w.ledger.Synced(fake.ID("roots"), 1, inA())
	const synced = "roots Normal Synced Sync: The bundle of 2 certificates is in 1 namespace"
	want("done", synced)
	want("nothing new")
	w.ledger.RecordBuild(fake.ID("roots"), ledger.Attempt{UID: "roots-uid", Generation: 2, Content: ledger.Content{Certificates: 3}})
	want("another message")
	for _, step := range []struct {
		missing int
		told    bool
	}{{1, true}, {1, false}, {2, true}, {0, false}, {1, true}, {0, false}} {
		content := ledger.Content{Certificates: 3, Inventory: &ledger.Inventory{MissingSources: step.missing}}
		note := fmt.Sprint(step.missing, " missing")
		w.ledger.RecordBuild(fake.ID("roots"), ledger.Attempt{UID: "roots-uid", Generation: 2, Content: content, Notes: []string{note}})
		var events []string
		if step.told {
			events = append(events, "roots Warning SourceNotFound Sync: The bundle of 3 certificates is in 1 namespace; note: "+note)
		}
		want(note, events...)
	}
	w.ledger.Failed(fake.ID("roots"), 1, inA(), "100% refused")
	want("failed", "roots Warning SyncConfigMapTargetFailed Sync: 1 of 1 target failed: ConfigMap in namespace a: 100% refused")
	w.ledger.Failed(fake.ID("roots"), 1, inA(), "refused again")
	want("failed otherwise")
	w.ledger.RecordBuild(fake.ID("roots"), ledger.Attempt{UID: "roots-uid", Generation: 3, Reason: "SourceBuildError", Message: strings.Repeat("é", 1000)})
	w.time.Time = w.time.Time.Add(10 * time.Second)
	s.tell(t)
	if note := told.events[0][len("roots Warning SourceBuildError Sync: "):]; len(note) > 1024 || len(note) < 1020 || !utf8.ValidString(note) {
		t.Errorf("a long message has %d bytes", len(note))
	}
}

// An event is for the Bundle whose status was written, and not for a successor of the
// same name.
func TestNoEventWithoutAWrite(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"another Bundle": apierrors.NewConflict(schema.GroupResource{Resource: "bundles"}, "roots", nil),
		"an error":       apierrors.NewInternalError(errors.New("broken")),
		"no such Bundle": apierrors.NewNotFound(schema.GroupResource{Resource: "bundles"}, "roots"),
	} {
		s, _, c := statusesOf()
		told := &recorder{}
		s.events, c.err = told, err
		_, _ = s.Reconcile(fake.Quiet(t), fake.ID("roots")) // other tests check the result
		if len(told.events) > 0 {
			t.Errorf("%s: %q", name, told.events)
		}
	}
}

// contentOfDays returns the content of a bundle whose certificates expire in these numbers
// of days.
func contentOfDays(days ...int) ledger.Content {
	content := bundle.Bundle{EarliestNotAfter: fake.Start.AddDate(0, 0, slices.Min(days))}
	for _, day := range days {
		content.Certificates = append(content.Certificates, certs.Certificate{NotAfter: fake.Start.AddDate(0, 0, day)})
	}
	return ledger.NewContent(bundle.Spec{}, content, "")
}
