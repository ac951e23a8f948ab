package status

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/ledger"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/workqueue"
	"trust-manager.io/internal/workqueue/queuetest"
	"trust-manager.io/test/framework/fake"
)

// statusClient is an API server that records statuses.
type statusClient struct {
	client.Client
	applied []string
	patched []string
	// left is the version of the default CA package that an apply leaves behind
	// because another manager owns it, too.
	left string
	// leftCondition is the type of such a condition.
	leftCondition string
	owner         string
	forced        bool
	version       string
	err           error
}

// statusWriter is its writer of statuses.
type statusWriter struct {
	client.SubResourceWriter
	*statusClient
}

func (c *statusClient) Status() client.SubResourceWriter { return statusWriter{statusClient: c} }

func (c statusWriter) Apply(_ context.Context, object runtime.ApplyConfiguration, options ...client.SubResourceApplyOption) error {
	body, err := json.Marshal(object)
	if err != nil {
		return err
	}
	var how client.SubResourceApplyOptions
	how.ApplyOpts(options)
	c.owner, c.forced = how.FieldManager, how.Force != nil && *how.Force
	c.applied = append(c.applied, string(body))
	if c.err != nil {
		return c.err
	}
	written, ok := object.(interface {
		SetResourceVersion(version string)
		UnstructuredContent() map[string]any
	})
	if !ok {
		return fmt.Errorf("%T takes no answer", object)
	}
	written.SetResourceVersion(c.version)
	if c.left != "" {
		return unstructured.SetNestedField(written.UnstructuredContent(), c.left, "status", "defaultCAVersion")
	}
	if c.leftCondition != "" {
		status, _, _ := unstructured.NestedMap(written.UnstructuredContent(), "status")
		conditions, _, _ := unstructured.NestedSlice(status, "conditions")
		left := map[string]any{"type": c.leftCondition, "status": "True"}
		return unstructured.SetNestedSlice(written.UnstructuredContent(), append(conditions, left), "status", "conditions")
	}
	return nil
}

func (c statusWriter) Patch(_ context.Context, object client.Object, patch client.Patch, _ ...client.SubResourcePatchOption) error {
	body, err := patch.Data(object)
	c.patched = append(c.patched, string(body))
	return err
}

// reasons returns the reasons of Ready in the statuses that were written since the last call.
func (c *statusClient) reasons(t *testing.T) []string {
	t.Helper()
	var list []string
	for _, body := range c.applied {
		var written v1alpha1.Bundle
		if err := json.Unmarshal([]byte(body), &written); err != nil {
			t.Fatal(err)
		}
		list = append(list, meta.FindStatusCondition(written.Status.Conditions, "Ready").Reason)
	}
	c.applied = nil
	return list
}

// world is the environment of a Reconciler in a test.
type world struct {
	cache       *fake.Cache
	time        *fake.Clock
	ledger      *ledger.Ledger
	statusNotes *queuetest.Recorder[bundle.ID]
	// missing are the fields that the API server does not serve, and rechecks is how often
	// the Reconciler asked for another check.
	missing  []string
	rechecks int
}

// statusesOf returns a Reconciler in a world with the Bundle roots, whose status has not
// been written yet.
func statusesOf(places ...target.Ref) (*Reconciler, *world, *statusClient) {
	w := &world{
		cache: &fake.Cache{Bundles: []*v1alpha1.Bundle{fake.Bundle("roots")}}, time: fake.NewClock(), ledger: ledger.New(),
		statusNotes: &queuetest.Recorder[bundle.ID]{},
	}
	w.ledger.RecordBuild(fake.ID("roots"), ledger.Attempt{UID: "roots-uid", Generation: 1, Content: ledger.Content{Certificates: 2}, DefaultCAVersion: "package-1"})
	w.ledger.StartRollout(fake.ID("roots"), 1, places, fake.Start)
	c := &statusClient{version: "5"}
	s := New(Config{
		APIs: apis.All(), Bundles: w.cache, Client: c, Events: &recorder{}, Ledger: w.ledger, Queue: workqueue.From("test", w.statusNotes), Clock: w.time,
		Missing: func(bundle.APIKind) []string { return w.missing },
		Recheck: func(context.Context) { w.rechecks++ },
	})
	return s, w, c
}

// statusOf returns the status of a Bundle with this report.
func statusOf(t *testing.T, report ledger.Report) v1alpha1.BundleStatus {
	t.Helper()
	status, ok := apis.Bundle{}.Status(report).(*v1alpha1.BundleStatus)
	if !ok {
		t.Fatal("the status is not that of a Bundle")
	}
	return *status
}

func inA() target.Ref { return fake.Key("roots", "a").Ref }

// tell reconciles the status.
func (s *Reconciler) tell(t *testing.T) reconcile.Result {
	t.Helper()
	result, err := s.Reconcile(fake.Quiet(t), fake.ID("roots"))
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// C1: the body of the write, its field manager and its precondition. Foreign conditions
// are not in it.
func TestStatusBody(t *testing.T) {
	t.Parallel()
	s, w, c := statusesOf()
	w.cache.Bundles[0].Status.Conditions = []metav1.Condition{{Type: "Theirs"}}
	s.tell(t)
	const condition = `{"lastTransitionTime":"2026-11-23T12:00:00Z","message":"The bundle of 2 certificates is in 0 namespaces",` +
		`"observedGeneration":1,"reason":"Synced","status":"True","type":`
	want := `{"apiVersion":"trust.cert-manager.io/v1alpha1","kind":"Bundle","metadata":{"name":"roots","uid":"roots-uid"},` +
		`"status":{"observedGeneration":1,"conditions":[` + condition + `"Synced"},` + condition + `"Ready"}],"defaultCAVersion":"package-1",` +
		`"targets":{"wanted":0,"synced":0,"failed":0}}}`
	if len(c.applied) != 1 {
		t.Fatalf("%d writes", len(c.applied))
	}
	if diff := cmp.Diff(normal(t, want), normal(t, c.applied[0])); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if c.owner != "trust-manager" || !c.forced {
		t.Errorf("written as %q, by force: %t", c.owner, c.forced)
	}
}

// K6: a Bundle without certificates that expire soon has no condition ExpiringSoon.
// Otherwise the condition and an event appear when that begins, and the condition is False
// when it ends. Until this process has built a bundle, the condition stays unchanged.
func TestStatusOfExpiry(t *testing.T) {
	t.Parallel()
	s, w, c := statusesOf()
	content := contentOfDays(31, 1000)
	w.ledger.RecordBuild(fake.ID("roots"), ledger.Attempt{UID: "roots-uid", Generation: 1, Content: content})
	conditions := func() string {
		var written v1alpha1.Bundle
		if err := json.Unmarshal([]byte(c.applied[len(c.applied)-1]), &written); err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, condition := range written.Status.Conditions {
			list = append(list, condition.Type+"="+string(condition.Status))
		}
		w.cache.Bundles[0] = w.cache.Bundles[0].DeepCopy()
		w.cache.Bundles[0].Status = written.Status
		w.cache.Bundles[0].ResourceVersion = c.version
		return strings.Join(list, " ")
	}
	if result := s.tell(t); result.RequeueAfter != maxRequeue {
		t.Errorf("looks again in %s", result.RequeueAfter)
	}
	if got := conditions(); got != "Synced=True Ready=True" {
		t.Errorf("at first: %s", got)
	}
	w.time.Time = fake.Start.AddDate(0, 0, 1).Add(-time.Minute)
	if result := s.tell(t); result.RequeueAfter != time.Minute+time.Millisecond || len(c.applied) != 1 {
		t.Errorf("a minute before: again in %s, %d writes", result.RequeueAfter, len(c.applied))
	}
	w.time.Time = w.time.Time.Add(time.Minute + time.Millisecond)
	s.tell(t)
	if got := conditions(); got != "Synced=True Ready=True ExpiringSoon=True" {
		t.Errorf("30 days before: %s", got)
	}
	told := strings.Join(s.events.(*recorder).events, "\n")
	if !strings.Contains(told, "Warning ExpiringSoon") {
		t.Errorf("events: %s", told)
	}
	w.ledger.RecordBuild(fake.ID("roots"), ledger.Attempt{UID: "roots-uid", Generation: 1, Content: contentOfDays(1000)})
	w.time.Time = w.time.Time.Add(time.Hour)
	s.tell(t)
	if got := conditions(); got != "Synced=True Ready=True ExpiringSoon=False" {
		t.Errorf("over: %s", got)
	}
	w.ledger.Drop(fake.ID("roots"))
	w.ledger.RecordBuild(fake.ID("roots"), ledger.Attempt{UID: "roots-uid", Generation: 1, Reason: "SourceNotFound", Message: "missing"})
	w.time.Time = w.time.Time.Add(time.Hour)
	s.tell(t)
	if got := conditions(); got != "Synced=False Ready=False Reconciling=True ExpiringSoon=False" {
		t.Errorf("after a restart: %s", got)
	}
}

// A13: the version is removed when the package is no longer used, even if another
// manager owns it, too.
func TestStatusClearsTheDefaultCAVersion(t *testing.T) {
	t.Parallel()
	for version, want := range map[string][]string{
		"":          {`{"metadata":{"resourceVersion":"5","uid":"roots-uid"},"status":{"defaultCAVersion":null}}`},
		"package-1": nil,
	} {
		s, w, c := statusesOf()
		c.left = "package-0"
		w.ledger.RecordBuild(fake.ID("roots"), ledger.Attempt{UID: "roots-uid", DefaultCAVersion: version})
		s.tell(t)
		if diff := cmp.Diff(want, c.patched); diff != "" {
			t.Errorf("with version %q, patches (-want +got):\n%s", version, diff)
		}
	}
}

// normal returns JSON with its fields sorted.
func normal(t *testing.T, text string) string {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	out, err := json.MarshalIndent(value, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// C3: a status is written when it changes, at most once a second, and not in a loop.
func TestStatusIsWrittenWhenItChanges(t *testing.T) {
	t.Parallel()
	s, w, c := statusesOf(inA())
	w.ledger.Synced(fake.ID("roots"), 1, inA())
	s.tell(t)
	if diff := cmp.Diff([]string{"Synced"}, c.reasons(t)); diff != "" {
		t.Errorf("at first (-want +got):\n%s", diff)
	}
	w.ledger.Failed(fake.ID("roots"), 1, inA(), "denied")
	w.time.Time = fake.Start.Add(300 * time.Millisecond)
	if result := s.tell(t); result.RequeueAfter != 700*time.Millisecond || len(c.applied) > 0 {
		t.Errorf("too early: %d writes, again after %s", len(c.applied), result.RequeueAfter)
	}
	w.time.Time = fake.Start.Add(time.Second)
	if result := s.tell(t); result.RequeueAfter != 0 {
		t.Errorf("again after %s", result.RequeueAfter)
	}
	if diff := cmp.Diff([]string{"SyncConfigMapTargetFailed"}, c.reasons(t)); diff != "" {
		t.Errorf("after a second (-want +got):\n%s", diff)
	}
	for i := range 5 {
		w.time.Time = fake.Start.Add(time.Duration(2+i) * time.Second)
		s.tell(t)
	}
	if len(c.applied) > 0 || len(w.statusNotes.Take()) > 0 {
		t.Errorf("unchanged, it is written again: %v", c.applied)
	}
}

// C1, C6: a short rollout is not reported; a longer one is, with its progress, once a
// second.
func TestStatusOfARollout(t *testing.T) {
	t.Parallel()
	s, w, c := statusesOf(inA())
	w.cache.Bundles[0].Status.Conditions = []metav1.Condition{{Type: "Synced", Status: "True"}}
	if result := s.tell(t); result.RequeueAfter != 0 || len(c.applied) > 0 {
		t.Errorf("only looking: %d writes, again after %s", len(c.applied), result.RequeueAfter)
	}
	w.ledger.MarkWriting(fake.ID("roots"), 1, inA())
	if result := s.tell(t); result.RequeueAfter != time.Second || len(c.applied) > 0 {
		t.Errorf("just begun: %d writes, again after %s", len(c.applied), result.RequeueAfter)
	}
	w.time.Time = fake.Start.Add(time.Second)
	s.tell(t)
	if diff := cmp.Diff([]string{"Rollout"}, c.reasons(t)); diff != "" {
		t.Errorf("after a second (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]queuetest.Added[bundle.ID]{{Priority: workqueue.DefaultPriority, After: time.Second, Key: fake.ID("roots")}}, w.statusNotes.Take()); diff != "" {
		t.Errorf("queued (-want +got):\n%s", diff)
	}
	w.ledger.Synced(fake.ID("roots"), 1, inA())
	w.time.Time = fake.Start.Add(2 * time.Second)
	s.tell(t)
	if diff := cmp.Diff([]string{"Synced"}, c.reasons(t)); diff != "" {
		t.Errorf("at the end (-want +got):\n%s", diff)
	}
}

// T11: after a restart, a status that is still correct is not written again.
func TestStatusAfterARestart(t *testing.T) {
	t.Parallel()
	s, w, c := statusesOf(inA())
	before := metav1.Condition{
		Type: "Synced", Status: "True", Reason: "Synced", ObservedGeneration: 1, LastTransitionTime: metav1.NewTime(fake.Start.Add(-time.Hour)),
		Message: "The bundle of 2 certificates is in 1 namespace",
	}
	ready := before
	ready.Type = "Ready"
	w.cache.Bundles[0].Status = v1alpha1.BundleStatus{
		ObservedGeneration: 1, Conditions: []metav1.Condition{before, ready}, DefaultCAVersion: "package-1", Targets: &v1alpha1.TargetCounts{
			Wanted: 1, Synced: 1, Kinds: []v1alpha1.TargetKindCounts{{Kind: "ConfigMap", Wanted: 1, Synced: 1}},
		},
	}
	s.tell(t)
	w.ledger.Synced(fake.ID("roots"), 1, inA())
	s.tell(t)
	if len(c.applied) > 0 {
		t.Errorf("written: %v", c.applied)
	}
}

// No status is written for a Bundle that is deleted or being deleted (T12), that has no
// account, or that is not the one of the account.
func TestStatusIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, given := range map[string]func(*world){
		"gone":              func(w *world) { w.cache.Bundles = nil },
		"T12 being deleted": func(w *world) { w.cache.Bundles[0].DeletionTimestamp = new(metav1.NewTime(fake.Start)) },
		"never tried":       func(w *world) { w.ledger.Drop(fake.ID("roots")) },
		"re-created":        func(w *world) { w.cache.Bundles[0].UID = "newer" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, w, c := statusesOf()
			given(w)
			if result := s.tell(t); len(c.applied) > 0 || result.RequeueAfter > 0 {
				t.Errorf("%d writes, again after %s", len(c.applied), result.RequeueAfter)
			}
		})
	}
}
