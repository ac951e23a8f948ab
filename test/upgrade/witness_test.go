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

// witness watches all targets of a Bundle. It records a fault for each event
// after which a known target is deleted, re-created or incomplete.
type witness struct {
	mu sync.Mutex
	// lacks returns an error if the content of a target is incomplete.
	lacks  func(pem string) error
	uids   map[string]types.UID
	events map[string]int
	faults []string
}

// watchTargets watches the existing targets, of which there must be count, until
// the end of the test.
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
		// The watch does not select by label, since losing the label is a fault too.
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
		w.fault("the watch reports %s: %v", event.Type, event.Object)
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
		w.fault("%s: re-created", place)
	case object.GetLabels()[v1alpha1.BundleLabelKey] != object.GetName():
		w.fault("%s: without its label", place)
	default:
		if err := w.lacks(textOf(object)); err != nil {
			w.fault("%s: %v", place, err)
		}
	}
}

// check reports all faults so far and returns the number of events.
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

// textOf returns the PEM bundle in a target.
func textOf(object client.Object) string {
	switch object := object.(type) {
	case *corev1.ConfigMap:
		return object.Data[key]
	case *corev1.Secret:
		return string(object.Data[key])
	}
	return ""
}

// itemsOf returns the objects of a list.
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

// versions returns the resource version of each target of a Bundle.
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

// changed returns the targets whose version differs between a and b.
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

// complete returns a function that returns an error unless a text equals one of
// the given contents.
func complete(contents ...string) func(string) error {
	return func(pem string) error {
		for _, content := range contents {
			if strings.TrimSpace(pem) == strings.TrimSpace(content) {
				return nil
			}
		}
		return fmt.Errorf("it contains %d certificates in %d bytes, which is not a complete bundle", strings.Count(pem, "BEGIN"), len(pem))
	}
}

// The witness detects each kind of fault.
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
		want   string
	}{
		"complete":    {watch.Modified, target(), ""},
		"deleted":     {watch.Deleted, target(), "deleted"},
		"deleting":    {watch.Modified, target(func(o *corev1.ConfigMap) { o.DeletionTimestamp = &metav1.Time{} }), "deleted"},
		"another":     {watch.Added, target(func(o *corev1.ConfigMap) { o.UID = "two" }), "re-created"},
		"no label":    {watch.Modified, target(func(o *corev1.ConfigMap) { o.Labels = nil }), "label"},
		"empty":       {watch.Modified, target(func(o *corev1.ConfigMap) { o.Data = nil }), "not a complete bundle"},
		"less":        {watch.Modified, target(func(o *corev1.ConfigMap) { o.Data[key] = whole[:len(whole)/2] }), "not a complete bundle"},
		"no line end": {watch.Modified, target(func(o *corev1.ConfigMap) { o.Data[key] = strings.TrimSpace(whole) }), ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := &witness{lacks: complete(whole), uids: map[string]types.UID{}, events: map[string]int{}}
			w.see(watch.Event{Type: watch.Added, Object: target()})
			w.see(watch.Event{Type: tc.kind, Object: tc.object})
			if got := strings.Join(w.faults, "\n"); (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("got faults %q, want %q", got, tc.want)
			}
		})
	}
}
