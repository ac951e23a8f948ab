package target

import (
	"fmt"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/workqueue"
	"trust-manager.io/internal/workqueue/queuetest"
	"trust-manager.io/test/framework/fake"
)

// S13, T9: an event of a namespace enqueues the targets that it concerns.
func TestNamespaceEvents(t *testing.T) {
	t.Parallel()
	plain, team := fake.Namespace("a", nil), fake.Namespace("a", map[string]string{"team": "x"})
	inTime := []queuetest.Added[target.Key]{{Priority: workqueue.LowPriority, After: 0, Key: fake.Key("all", "a")}, {Priority: workqueue.LowPriority, After: 0, Key: fake.Key("team", "a")}}
	urgently := func(names ...string) []queuetest.Added[target.Key] {
		var list []queuetest.Added[target.Key]
		for _, name := range names {
			list = append(list, queuetest.Added[target.Key]{Priority: workqueue.HighPriority, After: 0, Key: fake.Key(name, "a")})
		}
		return list
	}
	type events = handler.TypedEventHandler[*metav1.PartialObjectMetadata, target.Key]
	cases := map[string]struct {
		happens func(events)
		want    []queuetest.Added[target.Key]
	}{
		"there at the start":   {func(h events) { fake.Initially(h, team) }, inTime},
		"new":                  {func(h events) { fake.Create(h, team) }, urgently("all", "team")},
		"gone":                 {func(h events) { fake.Remove(h, team, false) }, urgently("all", "team")},
		"gone, not seen":       {func(h events) { fake.Remove(h, team, true) }, urgently("all", "team")},
		"label added":          {func(h events) { fake.Update(h, plain, team) }, urgently("team")},
		"label removed":        {func(h events) { fake.Update(h, team, plain) }, urgently("team")},
		"label of no interest": {func(h events) { fake.Update(h, plain, fake.Namespace("a", map[string]string{"other": "y"})) }, nil},
		"nothing that counts": {func(h events) {
			fake.Update(h, team, fake.Changed(team, func(o *metav1.PartialObjectMetadata) { o.ResourceVersion = "9" }))
		}, nil},
		"T9 terminating": {func(h events) { fake.Update(h, team, fake.Changed(team, fake.Terminating)) }, urgently("all", "team")},
		"T9 terminating for long": {func(h events) {
			fake.Update(h, fake.Changed(team, fake.Terminating), fake.Changed(team, fake.Terminating))
		}, nil},
		"re-created, its deletion missed": {func(h events) {
			fake.Update(h, fake.Changed(team, fake.Terminating), fake.Changed(team, func(o *metav1.PartialObjectMetadata) { o.UID = "newer" }))
		}, urgently("all", "team")},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x, w := newWorld(nil)
			w.enforce("all", "uid-1", "")
			w.enforce("team", "uid-2", "team=x")
			tc.happens(x.namespaceEvents())
			if diff := gocmp.Diff(tc.want, sorted(w.targetNotes.Take())); diff != "" {
				t.Errorf("queued (-want +got):\n%s", diff)
			}
		})
	}
}

// A namespace event costs one decision for each bundle, however many namespaces and
// targets there are, and no list.
func TestNamespaceEventsCost(t *testing.T) {
	t.Parallel()
	const bundles = 50
	x, w := newWorld(nil)
	for i := range bundles {
		w.enforce(fmt.Sprint("bundle-", i), "uid", "")
	}
	for i := range 5000 {
		w.cache.Namespaces = append(w.cache.Namespaces, fake.Namespace(fmt.Sprint("team-", i), nil))
	}
	fake.Create(x.namespaceEvents(), fake.Namespace("new", nil))
	if queued := w.targetNotes.Take(); len(queued) != bundles {
		t.Errorf("%d keys are queued, want %d", len(queued), bundles)
	}
	if w.cache.Lists > 0 {
		t.Errorf("%d lists are made", w.cache.Lists)
	}
}

// T7: a target that changes is enqueued with high priority, and one that existed at the
// start with low priority.
func TestTargetEvents(t *testing.T) {
	t.Parallel()
	object := fake.Observed("roots", "a", "7")
	copied := fake.Changed(object, func(o *metav1.PartialObjectMetadata) { o.Name = "copy" })
	relabelled := fake.Changed(object, func(o *metav1.PartialObjectMetadata) {
		o.Labels = map[string]string{v1alpha1.BundleLabelKey: "other"}
	})
	now, later := []queuetest.Added[target.Key]{{Priority: workqueue.HighPriority, After: 0, Key: fake.Key("roots", "a")}}, []queuetest.Added[target.Key]{{Priority: workqueue.LowPriority, After: 0, Key: fake.Key("roots", "a")}}
	type events = handler.TypedEventHandler[*metav1.PartialObjectMetadata, target.Key]
	cases := map[string]struct {
		happens  func(events)
		want     []queuetest.Added[target.Key]
		vanished bool
	}{
		"there at the start": {func(h events) { fake.Initially(h, object) }, later, false},
		"new":                {func(h events) { fake.Create(h, object) }, now, false},
		"changed":            {func(h events) { fake.Update(h, object, object) }, now, false},
		"deleted":            {func(h events) { fake.Remove(h, object, false) }, now, true},
		"deleted at an older version": {func(h events) {
			fake.Remove(h, fake.Changed(object, func(o *metav1.PartialObjectMetadata) { o.ResourceVersion = "6" }), false)
		}, now, false},
		"deleted, not seen when": {func(h events) {
			fake.Remove(h, fake.Changed(object, func(o *metav1.PartialObjectMetadata) { o.ResourceVersion = "6" }), true)
		}, now, true},
		"T7 bundle label changed":  {func(h events) { fake.Update(h, object, relabelled) }, now, false},
		"T7 bundle label put back": {func(h events) { fake.Update(h, relabelled, object) }, now, false},
		"T6 a copy":                {func(h events) { fake.Create(h, copied) }, nil, false},
		"T6 a copy, deleted":       {func(h events) { fake.Remove(h, copied, false) }, nil, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x, w := newWorld(nil)
			x.observations.RecordRead(fake.Key("roots", "a"), "uid", "7", target.Holding{}, fake.Start)
			tc.happens(x.targetEvents(apis.Bundle{}.Marks(), bundle.ConfigMap))
			if diff := gocmp.Diff(tc.want, w.targetNotes.Take()); diff != "" {
				t.Errorf("queued (-want +got):\n%s", diff)
			}
			if seen, _ := x.observations.Lookup(fake.Key("roots", "a"), nil, fake.Start.Add(time.Second)); seen.DeletedInSync != tc.vanished {
				t.Errorf("deleted in sync: %t, want %t", seen.DeletedInSync, tc.vanished)
			}
		})
	}
}

// F4: when the API server begins to serve a kind, its wanted targets are enqueued, and those that
// exist, which may be no longer wanted.
func TestDiscovered(t *testing.T) {
	t.Parallel()
	x, w := newWorld(nil)
	revision := fake.Revision("uid", "")
	revision.Shapes[bundle.ClusterTrustBundle] = &target.Shape{Kind: bundle.ClusterTrustBundle}
	w.revisions.Set(fake.ID("wants"), revision)
	w.enforce("wants-no-more", "uid", "")
	existing := fake.Observed("wants-no-more", "", "7")
	foreign := fake.Changed(existing, func(o *metav1.PartialObjectMetadata) { o.Name, o.Labels = "foreign", nil })
	x.OnDiscovered(bundle.ClusterTrustBundle, []*metav1.PartialObjectMetadata{existing, foreign})
	of := func(name string) target.Key { return target.KeyOf(fake.ID(name), bundle.ClusterTrustBundle, "") }
	want := []queuetest.Added[target.Key]{
		{Priority: workqueue.HighPriority, Key: of("wants")},
		{Priority: workqueue.LowPriority, Key: of("wants-no-more")},
	}
	if diff := gocmp.Diff(want, sorted(w.targetNotes.Take())); diff != "" {
		t.Errorf("queued (-want +got):\n%s", diff)
	}
}
