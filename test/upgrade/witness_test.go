package upgrade

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/ca"
)

// witness watches all targets of a Bundle. From the first sight of an object on it
// complains of each event at which the object is gone, is another, or lacks what it
// has to hold.
type witness struct {
	mu sync.Mutex
	// lacks says what is wrong with the content of a target, if anything is.
	lacks  func(pem string) error
	uids   map[string]types.UID
	events map[string]int
	faults []string
}

// watchTargets begins with the objects that are there, of which there are count, until
// the test ends.
func watchTargets(t *testing.T, bundle string, count int, lacks func(pem string) error) *witness {
	t.Helper()
	w := &witness{lacks: lacks, uids: map[string]types.UID{}, events: map[string]int{}}
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	t.Cleanup(func() { cancel(); watching.Wait() })
	for _, list := range []client.ObjectList{&corev1.ConfigMapList{}, &corev1.SecretList{}} {
		if err := api.List(t.Context(), list, client.MatchingLabels{v1alpha1.BundleLabelKey: bundle}); err != nil {
			t.Fatal(err)
		}
		for _, object := range itemsOf(list) {
			w.see(watch.Event{Type: watch.Added, Object: object})
		}
		// Without a label in the selection: losing it is a fault like another.
		watcher, err := api.Watch(ctx, list, client.MatchingFields{"metadata.name": bundle},
			&client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.GetResourceVersion()}})
		if err != nil {
			t.Fatal(err)
		}
		watching.Go(func() {
			for event := range watcher.ResultChan() {
				w.see(event)
			}
			if ctx.Err() == nil {
				w.fault("the watch has ended")
			}
		})
	}
	if len(w.uids) != count {
		t.Fatalf("%d targets are watched, want %d", len(w.uids), count)
	}
	return w
}

func (w *witness) fault(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, fmt.Sprintf(format, args...))
}

func (w *witness) see(event watch.Event) {
	object, ok := event.Object.(client.Object)
	if !ok {
		w.fault("the watch says %s: %v", event.Type, event.Object)
		return
	}
	place := fmt.Sprintf("%T %s", object, object.GetNamespace())
	w.mu.Lock()
	first, known := w.uids[place]
	if !known {
		w.uids[place] = object.GetUID()
	}
	w.events[place]++
	w.mu.Unlock()
	switch {
	case event.Type == watch.Deleted || object.GetDeletionTimestamp() != nil:
		w.fault("%s: deleted", place)
	case known && first != object.GetUID():
		w.fault("%s: made anew", place)
	case object.GetLabels()[v1alpha1.BundleLabelKey] != object.GetName():
		w.fault("%s: without its label", place)
	default:
		if err := w.lacks(textOf(object)); err != nil {
			w.fault("%s: %v", place, err)
		}
	}
}

// check reports what has been wrong so far, and gives the number of events.
func (w *witness) check(t *testing.T) (events int) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, fault := range w.faults {
		t.Error(fault)
	}
	w.faults = nil
	for _, count := range w.events {
		events += count
	}
	return events
}

// textOf gives the PEM in a target.
func textOf(object client.Object) string {
	switch object := object.(type) {
	case *corev1.ConfigMap:
		return object.Data[key]
	case *corev1.Secret:
		return string(object.Data[key])
	}
	return ""
}

// itemsOf gives the objects of a list.
func itemsOf(list client.ObjectList) (objects []client.Object) {
	switch list := list.(type) {
	case *corev1.ConfigMapList:
		for i := range list.Items {
			objects = append(objects, &list.Items[i])
		}
	case *corev1.SecretList:
		for i := range list.Items {
			objects = append(objects, &list.Items[i])
		}
	}
	return objects
}

// versions gives the resource version of each target of a Bundle.
func versions(t *testing.T, bundle string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, list := range []client.ObjectList{&corev1.ConfigMapList{}, &corev1.SecretList{}} {
		if err := api.List(t.Context(), list, client.MatchingLabels{v1alpha1.BundleLabelKey: bundle}); err != nil {
			t.Fatal(err)
		}
		for _, object := range itemsOf(list) {
			all[fmt.Sprintf("%T %s", object, object.GetNamespace())] = object.GetResourceVersion()
		}
	}
	return all
}

// changed gives the targets that are at another version in b than in a.
func changed(a, b map[string]string) []string {
	var all []string
	for place := range b {
		if a[place] != b[place] {
			all = append(all, place)
		}
	}
	for place := range maps.Keys(a) {
		if _, ok := b[place]; !ok {
			all = append(all, place)
		}
	}
	slices.Sort(all)
	return all
}

// complete says that a text has all of these certificates, and no other, in one of
// the orders given.
func complete(contents ...string) func(string) error {
	return func(pem string) error {
		for _, content := range contents {
			if strings.TrimSpace(pem) == strings.TrimSpace(content) {
				return nil
			}
		}
		return fmt.Errorf("it holds %d certificates in %d bytes, which is no whole bundle", strings.Count(pem, "BEGIN"), len(pem))
	}
}

// A witness that sees nothing would prove nothing.
func TestWitness(t *testing.T) {
	whole := ca.New("first").Certificate + ca.New("second").Certificate
	target := func(changes ...func(*corev1.ConfigMap)) *corev1.ConfigMap {
		object := &corev1.ConfigMap{Data: map[string]string{key: whole}}
		object.Namespace, object.Name, object.UID = "namespace", "bundle", "one"
		object.Labels = map[string]string{v1alpha1.BundleLabelKey: "bundle"}
		for _, change := range changes {
			change(object)
		}
		return object
	}
	for name, tc := range map[string]struct {
		kind   watch.EventType
		object *corev1.ConfigMap
		says   string
	}{
		"in order":    {watch.Modified, target(), ""},
		"deleted":     {watch.Deleted, target(), "deleted"},
		"being so":    {watch.Modified, target(func(o *corev1.ConfigMap) { o.DeletionTimestamp = &metav1.Time{} }), "deleted"},
		"another":     {watch.Added, target(func(o *corev1.ConfigMap) { o.UID = "two" }), "anew"},
		"no label":    {watch.Modified, target(func(o *corev1.ConfigMap) { o.Labels = nil }), "label"},
		"empty":       {watch.Modified, target(func(o *corev1.ConfigMap) { o.Data = nil }), "no whole bundle"},
		"less":        {watch.Modified, target(func(o *corev1.ConfigMap) { o.Data[key] = whole[:len(whole)/2] }), "no whole bundle"},
		"no line end": {watch.Modified, target(func(o *corev1.ConfigMap) { o.Data[key] = strings.TrimSpace(whole) }), ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := &witness{lacks: complete(whole), uids: map[string]types.UID{}, events: map[string]int{}}
			w.see(watch.Event{Type: watch.Added, Object: target()})
			w.see(watch.Event{Type: tc.kind, Object: tc.object})
			if said := strings.Join(w.faults, "\n"); (said == "") != (tc.says == "") || !strings.Contains(said, tc.says) {
				t.Errorf("it says %q, want %q", said, tc.says)
			}
		})
	}
}
