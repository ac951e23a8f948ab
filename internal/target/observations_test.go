package target

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/internal/bundle"
)

// The observed state of a target, from the cache and from the operator's own writes.
func TestObservations(t *testing.T) {
	t.Parallel()
	k := key("roots", "a")
	holding := Holding{Digest: "digest", Owner: "owner", Clean: true}
	held := func(resourceVersion string) Observed {
		return Observed{State: Cached, UID: "uid", ResourceVersion: resourceVersion, Holding: holding}
	}
	learn := func(resourceVersion string, at time.Duration) func(*Observations) {
		return func(m *Observations) { m.RecordRead(k, "uid", resourceVersion, holding, start.Add(at)) }
	}
	vanish := func(resourceVersion string) func(*Observations) {
		return func(m *Observations) { m.RecordDelete(k, resourceVersion) }
	}
	cached := func(resourceVersion string) *metav1.PartialObjectMetadata {
		return observed("roots", "a", resourceVersion)
	}
	unread, absent, vanished := Observed{State: Unknown}, Observed{State: Absent}, Observed{State: Absent, DeletedInSync: true}
	cases := map[string]struct {
		happened []func(*Observations)
		cached   *metav1.PartialObjectMetadata
		after    time.Duration
		seen     Observed
		recheck  time.Duration
	}{
		"nothing known, nothing cached":                {nil, nil, 0, absent, 0},
		"T7 nothing known, cached: after a restart":    {nil, cached("7"), 0, unread, 0},
		"T11 known as it is cached":                    {[]func(*Observations){learn("7", 0)}, cached("7"), 0, held("7"), 0},
		"T11 known as it is cached, for long":          {[]func(*Observations){learn("7", 0)}, cached("7"), time.Hour, held("7"), 0},
		"T7 cached is newer: another writer":           {[]func(*Observations){learn("7", 0)}, cached("8"), 0, unread, 0},
		"T7 cached is another object":                  {[]func(*Observations){learn("7", 0)}, changed(cached("7"), func(o *metav1.PartialObjectMetadata) { o.UID = "other" }), 0, unread, 0},
		"the watch lags behind a write":                {[]func(*Observations){learn("7", 0)}, cached("6"), 10 * time.Second, held("7"), 20 * time.Second},
		"the watch lags behind a create":               {[]func(*Observations){learn("7", 0)}, nil, 0, held("7"), 30 * time.Second},
		"the watch lags for 30 s":                      {[]func(*Observations){learn("7", 0)}, cached("6"), 30 * time.Second, unread, 0},
		"the watch shows no create for 30 s":           {[]func(*Observations){learn("7", 0)}, nil, 30 * time.Second, unread, 0},
		"numbers, not text, are compared":              {[]func(*Observations){learn("10", 0)}, cached("9"), 0, held("10"), 30 * time.Second},
		"read again at the same version: no new delay": {[]func(*Observations){learn("7", 0), learn("7", 29*time.Second)}, nil, 30 * time.Second, unread, 0},
		"written again: a new delay":                   {[]func(*Observations){learn("7", 0), learn("8", 29*time.Second)}, cached("7"), 30 * time.Second, held("8"), 29 * time.Second},
		"deleted":                                      {[]func(*Observations){learn("7", 0), vanish("8")}, nil, 0, vanished, 0},
		"deleted at the version that was written":      {[]func(*Observations){learn("7", 0), vanish("7")}, nil, 0, vanished, 0},
		"deleted, and the watch has missed when":       {[]func(*Observations){learn("7", 0), vanish("")}, nil, 0, vanished, 0},
		"deleted before it was re-created":             {[]func(*Observations){learn("9", 0), vanish("8")}, nil, 0, held("9"), 30 * time.Second},
		"deleted and re-created by the operator":       {[]func(*Observations){learn("7", 0), vanish("8"), learn("9", 0)}, cached("9"), 0, held("9"), 0},
		"deleted and re-created by another client":     {[]func(*Observations){learn("7", 0), vanish("8")}, cached("9"), 0, unread, 0},
		"deleted, and then kept at the old version":    {[]func(*Observations){learn("7", 0), vanish("8"), learn("7", 0)}, nil, 0, vanished, 0},
		"deleted though never known":                   {[]func(*Observations){vanish("8")}, nil, 0, absent, 0},
		"forgotten":                                    {[]func(*Observations){learn("7", 0), func(m *Observations) { m.Forget(k) }}, cached("7"), 0, unread, 0},
		"versions that cannot be compared":             {[]func(*Observations){learn("x", 0)}, cached("7"), 0, unread, 0},
		"versions that cannot be compared, the same":   {[]func(*Observations){learn("x", 0)}, cached("x"), 0, held("x"), 0},
		"a deletion that cannot be compared":           {[]func(*Observations){learn("x", 0), vanish("7")}, nil, 0, vanished, 0},
		"another target": {
			[]func(*Observations){func(m *Observations) { m.RecordRead(key("roots", "b"), "uid", "7", holding, start) }}, cached("7"), 0, unread, 0,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := NewObservations()
			for _, happens := range tc.happened {
				happens(m)
			}
			seen, recheck := m.Lookup(k, tc.cached, start.Add(tc.after))
			if diff := cmp.Diff(tc.seen, seen); diff != "" {
				t.Errorf("seen (-want +got):\n%s", diff)
			}
			if recheck != tc.recheck {
				t.Errorf("recheck %s, want %s", recheck, tc.recheck)
			}
		})
	}
}

// T4, T7: what an object was is known by its UID, until it is forgotten.
func TestRecall(t *testing.T) {
	t.Parallel()
	o, now := NewObservations(), time.Now()
	o.RecordRead(roots, "uid", "7", held(true), now)
	o.RecordDelete(roots, "8") // the watch no longer shows the object, which has lost its label
	if holding, ok := o.Recall(roots, "uid"); !ok || holding != held(true) {
		t.Errorf("recalled %+v, %t", holding, ok)
	}
	if _, ok := o.Recall(roots, "another"); ok {
		t.Error("another object is known")
	}
	o.Forget(roots)
	if _, ok := o.Recall(roots, "uid"); ok {
		t.Error("a forgotten object is known")
	}
}

func TestIsNewer(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		a, b string
		want bool
	}{
		"newer":         {"10", "9", true},
		"older":         {"9", "10", false},
		"the same":      {"9", "9", false},
		"not a number":  {"x", "9", false},
		"neither":       {"y", "x", false},
		"none":          {"", "9", false},
		"against none":  {"9", "", false},
		"beyond uint64": {"184467440737095516160", "9", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := IsNewer(tc.a, tc.b); got != tc.want {
				t.Errorf("IsNewer(%q, %q) = %t", tc.a, tc.b, got)
			}
		})
	}
}

// T6: a target that was not read since its first write is read before it is
// replaced or deleted.
func TestUnverifiedTargetIsReadFirst(t *testing.T) {
	t.Parallel()
	m := NewObservations()
	k, holding := key("roots", "a"), Holding{Digest: "digest", Owner: "owner", Clean: true}
	doubtful := func(version string) bool {
		seen, _ := m.Lookup(k, observed("roots", "a", version), start)
		return seen.Unverified
	}
	if !m.RecordWrite(k, "uid", "7", holding, start) || !doubtful("7") {
		t.Error("a first write is not doubtful")
	}
	if _, recheck := m.Lookup(k, observed("roots", "a", "7"), start.Add(time.Second)); recheck != VerifyDelay-time.Second {
		t.Errorf("it is checked again after %s", recheck)
	}
	if m.MarkVerified(k, "uid", "6") || m.MarkVerified(k, "other", "7") || !doubtful("7") {
		t.Error("another version or object verifies it")
	}
	if seen, _ := m.Lookup(k, observed("roots", "a", "7"), start.Add(VerifyDelay)); seen.State != Unknown {
		t.Errorf("after the delay it is %v", seen)
	}
	if !m.MarkVerified(k, "uid", "7") || m.MarkVerified(k, "uid", "7") || doubtful("7") {
		t.Error("it is not verified, or verified twice")
	}
	if m.RecordWrite(k, "uid", "8", holding, start) {
		t.Error("a second write is doubtful")
	}
	if !m.RecordWrite(k, "newer", "9", holding, start) {
		t.Error("an object that was re-created is not doubtful")
	}
	m.RecordRead(k, "read", "10", holding, start)
	if doubtful("10") || !m.RecordWrite(k, "read", "11", holding, start) {
		t.Error("an object that was read is doubtful, or its first write is not")
	}
}

// T7: drift is what a write restores that this process has seen in sync.
func TestIsDrift(t *testing.T) {
	t.Parallel()
	m := NewObservations()
	holding := Holding{Digest: "d", Owner: "o", Clean: true}
	m.RecordRead(key("roots", "a"), "uid", "7", holding, start)
	for name, tc := range map[string]struct {
		action Action
		want   bool
	}{
		"a replacement":     {Action{Verb: Replace, Key: key("roots", "a"), Holding: Holding{Digest: "d", Owner: "o"}}, true},
		"a new bundle":      {Action{Verb: Replace, Key: key("roots", "a"), Holding: Holding{Digest: "e", Owner: "o"}}, false},
		"another owner":     {Action{Verb: Replace, Key: key("roots", "a"), Holding: Holding{Digest: "d", Owner: "p"}}, false},
		"never seen before": {Action{Verb: Create, Key: key("roots", "b"), Holding: holding}, false},
		"a release":         {Action{Verb: Delete, Key: key("roots", "a"), Holding: holding}, false},
	} {
		if got := m.IsDrift(tc.action); got != tc.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// start is the time of the observations in tests.
var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func key(name, namespace string) Key {
	return KeyOf(bundle.ID{Kind: bundle.APIBundle, Name: name}, bundle.ConfigMap, namespace)
}

// observed is a target as the cache has it.
func observed(name, namespace, resourceVersion string) *metav1.PartialObjectMetadata {
	object := &metav1.PartialObjectMetadata{}
	object.Name, object.Namespace, object.UID, object.ResourceVersion = name, namespace, "uid", resourceVersion
	return object
}

func changed(object *metav1.PartialObjectMetadata, change func(*metav1.PartialObjectMetadata)) *metav1.PartialObjectMetadata {
	copied := *object
	change(&copied)
	return &copied
}
