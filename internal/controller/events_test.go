package controller

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientqueue "k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/workqueue"
	"trust-manager.io/internal/workqueue/queuetest"
)

// Ways in which an informer tells of an object.

func create[object client.Object, request comparable](h handler.TypedEventHandler[object, request], after object) {
	h.Create(context.Background(), event.TypedCreateEvent[object]{Object: after}, noQueue[request]())
}

func initially[object client.Object, request comparable](h handler.TypedEventHandler[object, request], after object) {
	h.Create(context.Background(), event.TypedCreateEvent[object]{Object: after, IsInInitialList: true}, noQueue[request]())
}

func update[object client.Object, request comparable](h handler.TypedEventHandler[object, request], before, after object) {
	h.Update(context.Background(), event.TypedUpdateEvent[object]{ObjectOld: before, ObjectNew: after}, noQueue[request]())
}

func remove[object client.Object, request comparable](h handler.TypedEventHandler[object, request], before object, missed bool) {
	h.Delete(context.Background(), event.TypedDeleteEvent[object]{Object: before, DeleteStateUnknown: missed}, noQueue[request]())
}

// noQueue is the queue that a handler is given, and that none may use.
func noQueue[request comparable]() clientqueue.TypedRateLimitingInterface[request] { return nil }

// sorted puts what was added in an order that does not follow that of maps.
func sorted(list []queuetest.Added[target.Key]) []queuetest.Added[target.Key] {
	slices.SortFunc(list, func(a, b queuetest.Added[target.Key]) int {
		return cmp.Or(cmp.Compare(a.Key.Namespace, b.Key.Namespace), cmp.Compare(a.Key.Bundle, b.Key.Bundle))
	})
	return list
}

// A Bundle is built when its spec changes or it comes or goes; all else is for
// its status to see.
func TestBundleEvents(t *testing.T) {
	t.Parallel()
	roots := made("roots")
	with := func(change func(*v1alpha1.Bundle)) *v1alpha1.Bundle { return changed(roots, change) }
	deleting := with(func(b *v1alpha1.Bundle) { b.DeletionTimestamp = new(metav1.NewTime(start)) })
	build, status := []queuetest.Added[string]{{Priority: workqueue.HighPriority, After: 0, Key: "roots"}}, []queuetest.Added[string]{{Priority: workqueue.DefaultPriority, After: 0, Key: "roots"}}
	type events = handler.TypedEventHandler[*v1alpha1.Bundle, string]
	cases := map[string]struct {
		happens  func(events)
		bundles  []queuetest.Added[string]
		statuses []queuetest.Added[string]
	}{
		"made":               {func(h events) { create(h, roots) }, build, nil},
		"there at the start": {func(h events) { initially(h, roots) }, build, nil},
		"spec changed":       {func(h events) { update(h, roots, with(func(b *v1alpha1.Bundle) { b.Generation++ })) }, build, nil},
		"status changed": {func(h events) {
			update(h, roots, with(func(b *v1alpha1.Bundle) { b.Status.DefaultCAVersion = "x" }))
		}, nil, status},
		"label changed": {func(h events) {
			update(h, roots, with(func(b *v1alpha1.Bundle) { b.Labels = map[string]string{"a": "b"} }))
		}, nil, status},
		"T12 deletion begins": {func(h events) { update(h, roots, deleting) }, build, nil},
		"T12 deletion goes on": {func(h events) {
			update(h, deleting, changed(deleting, func(b *v1alpha1.Bundle) { b.Finalizers = nil }))
		}, nil, status},
		"made anew, its end not seen": {func(h events) { update(h, roots, with(func(b *v1alpha1.Bundle) { b.UID = "newer" })) }, build, nil},
		"gone":                        {func(h events) { remove(h, roots, false) }, build, status},
		"gone, its end not seen":      {func(h events) { remove(h, roots, true) }, build, status},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			tc.happens(bundleEvents(w.environment))
			if diff := gocmp.Diff(tc.bundles, w.bundleNotes.Take()); diff != "" {
				t.Errorf("bundles (-want +got):\n%s", diff)
			}
			if diff := gocmp.Diff(tc.statuses, w.statusNotes.Take()); diff != "" {
				t.Errorf("statuses (-want +got):\n%s", diff)
			}
		})
	}
}

// S13: a source that changes has those Bundles built that read it, and no
// others. At the start every Bundle is built anyway.
func TestSourceEvents(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.cache.bundles = []*v1alpha1.Bundle{
		made("both", fromConfigMap("roots"), fromSecret("roots")),
		made("config", fromConfigMap("other"), fromConfigMap("roots")),
		made("secret", fromSecret("roots")),
		made("none", fromConfigMap("other")),
	}
	configMaps := sourceEvents[*corev1.ConfigMap](w.environment, bundle.ConfigMap)
	secrets := sourceEvents[*corev1.Secret](w.environment, bundle.Secret)
	configMap := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "roots"}}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "roots"}}
	cases := []struct {
		name    string
		happens func()
		want    []string
	}{
		{"a ConfigMap at the start", func() { initially(configMaps, configMap) }, nil},
		{"a Secret at the start", func() { initially(secrets, secret) }, nil},
		{"a new ConfigMap", func() { create(configMaps, configMap) }, []string{"both", "config"}},
		{"a changed ConfigMap", func() { update(configMaps, configMap, configMap) }, []string{"both", "config"}},
		{"a deleted ConfigMap", func() { remove(configMaps, configMap, false) }, []string{"both", "config"}},
		{"a new Secret", func() { create(secrets, secret) }, []string{"both", "secret"}},
		{"a deleted Secret", func() { remove(secrets, secret, true) }, []string{"both", "secret"}},
		{"one that nobody reads", func() { create(configMaps, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "x"}}) }, nil},
	}
	for _, tc := range cases {
		tc.happens()
		var got []string
		for _, one := range w.bundleNotes.Take() {
			got = append(got, one.Key)
			if one.Priority != workqueue.HighPriority {
				t.Errorf("%s: priority %d", tc.name, one.Priority)
			}
		}
		if diff := gocmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

// A cache that cannot be read takes nothing down.
func TestSourceEventsWithoutCache(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.cache.err = errDenied
	create(sourceEvents[*corev1.ConfigMap](w.environment, bundle.ConfigMap), &corev1.ConfigMap{})
	if queued := w.bundleNotes.Take(); len(queued) > 0 {
		t.Errorf("queued %v", queued)
	}
}

// S13, T9: a namespace has its targets looked at where it makes a difference to
// the bundle.
func TestNamespaceEvents(t *testing.T) {
	t.Parallel()
	plain, team := namespace("a", nil), namespace("a", map[string]string{"team": "x"})
	inTime := []queuetest.Added[target.Key]{{Priority: workqueue.LowPriority, After: 0, Key: key("all", "a")}, {Priority: workqueue.LowPriority, After: 0, Key: key("team", "a")}}
	urgently := func(names ...string) []queuetest.Added[target.Key] {
		var list []queuetest.Added[target.Key]
		for _, name := range names {
			list = append(list, queuetest.Added[target.Key]{Priority: workqueue.HighPriority, After: 0, Key: key(name, "a")})
		}
		return list
	}
	type events = handler.TypedEventHandler[*metav1.PartialObjectMetadata, target.Key]
	cases := map[string]struct {
		happens func(events)
		want    []queuetest.Added[target.Key]
	}{
		"there at the start":   {func(h events) { initially(h, team) }, inTime},
		"new":                  {func(h events) { create(h, team) }, urgently("all", "team")},
		"gone":                 {func(h events) { remove(h, team, false) }, urgently("all", "team")},
		"gone, not seen":       {func(h events) { remove(h, team, true) }, urgently("all", "team")},
		"label added":          {func(h events) { update(h, plain, team) }, urgently("team")},
		"label removed":        {func(h events) { update(h, team, plain) }, urgently("team")},
		"label of no interest": {func(h events) { update(h, plain, namespace("a", map[string]string{"other": "y"})) }, nil},
		"nothing that counts": {func(h events) {
			update(h, team, changed(team, func(o *metav1.PartialObjectMetadata) { o.ResourceVersion = "9" }))
		}, nil},
		"T9 terminating":          {func(h events) { update(h, team, changed(team, terminating)) }, urgently("all", "team")},
		"T9 terminating for long": {func(h events) { update(h, changed(team, terminating), changed(team, terminating)) }, nil},
		"made anew, its end not seen": {func(h events) {
			update(h, changed(team, terminating), changed(team, func(o *metav1.PartialObjectMetadata) { o.UID = "newer" }))
		}, urgently("all", "team")},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.enforce("all", "uid-1", "")
			w.enforce("team", "uid-2", "team=x")
			w.registry.builder("not built", "uid-3")
			tc.happens(namespaceEvents(w.environment))
			if diff := gocmp.Diff(tc.want, sorted(w.targetNotes.Take())); diff != "" {
				t.Errorf("queued (-want +got):\n%s", diff)
			}
		})
	}
}

// Design rule 7: a namespace event costs one decision for each bundle, however
// many namespaces and targets there are, and lists nothing.
func TestNamespaceEventsCost(t *testing.T) {
	t.Parallel()
	const bundles = 50
	w := newWorld()
	for i := range bundles {
		w.enforce(fmt.Sprint("bundle-", i), "uid", "")
	}
	for i := range 5000 {
		w.cache.namespaces = append(w.cache.namespaces, namespace(fmt.Sprint("team-", i), nil))
	}
	create(namespaceEvents(w.environment), namespace("new", nil))
	if queued := w.targetNotes.Take(); len(queued) != bundles {
		t.Errorf("%d keys are queued, want %d", len(queued), bundles)
	}
	if w.cache.lists > 0 {
		t.Errorf("%d lists are made", w.cache.lists)
	}
}

// T7: a target that changes is looked at at once, one that was there at the
// start in its time.
func TestTargetEvents(t *testing.T) {
	t.Parallel()
	object := observed("roots", "a", "7")
	copied := changed(object, func(o *metav1.PartialObjectMetadata) { o.Name = "copy" })
	relabelled := changed(object, func(o *metav1.PartialObjectMetadata) {
		o.Labels = map[string]string{v1alpha1.BundleLabelKey: "other"}
	})
	now, later := []queuetest.Added[target.Key]{{Priority: workqueue.HighPriority, After: 0, Key: key("roots", "a")}}, []queuetest.Added[target.Key]{{Priority: workqueue.LowPriority, After: 0, Key: key("roots", "a")}}
	type events = handler.TypedEventHandler[*metav1.PartialObjectMetadata, target.Key]
	cases := map[string]struct {
		happens  func(events)
		want     []queuetest.Added[target.Key]
		vanished bool
	}{
		"there at the start": {func(h events) { initially(h, object) }, later, false},
		"new":                {func(h events) { create(h, object) }, now, false},
		"changed":            {func(h events) { update(h, object, object) }, now, false},
		"deleted":            {func(h events) { remove(h, object, false) }, now, true},
		"deleted at an older version": {func(h events) {
			remove(h, changed(object, func(o *metav1.PartialObjectMetadata) { o.ResourceVersion = "6" }), false)
		}, now, false},
		"deleted, not seen when": {func(h events) {
			remove(h, changed(object, func(o *metav1.PartialObjectMetadata) { o.ResourceVersion = "6" }), true)
		}, now, true},
		"T7 bundle label changed":  {func(h events) { update(h, object, relabelled) }, now, false},
		"T7 bundle label put back": {func(h events) { update(h, relabelled, object) }, now, false},
		"T6 a copy":                {func(h events) { create(h, copied) }, nil, false},
		"T6 a copy, deleted":       {func(h events) { remove(h, copied, false) }, nil, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			m := newMemory()
			m.learn(key("roots", "a"), "uid", "7", target.Holding{}, start)
			tc.happens(targetEvents(w.environment, m, bundle.ConfigMap))
			if diff := gocmp.Diff(tc.want, w.targetNotes.Take()); diff != "" {
				t.Errorf("queued (-want +got):\n%s", diff)
			}
			if seen, _ := m.see(key("roots", "a"), nil, start.Add(time.Second)); seen.Vanished != tc.vanished {
				t.Errorf("vanished: %t, want %t", seen.Vanished, tc.vanished)
			}
		})
	}
}
