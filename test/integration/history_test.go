package integration

import (
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/test/framework/poll"
)

// history holds the watch events of one target.
type history struct {
	kind   kind
	mu     sync.Mutex
	events []watch.Event
}

// observe starts a history of a ConfigMap. Its first event is the current object,
// if it exists.
func observe(t *testing.T, namespace, name string) *history {
	t.Helper()
	return inConfigMaps.observe(t, namespace, name)
}

// observe starts a history of an object of the kind.
func (k kind) observe(t *testing.T, namespace, name string) *history {
	t.Helper()
	var list client.ObjectList = &corev1.ConfigMapList{}
	if k == inSecrets {
		list = &corev1.SecretList{}
	}
	watcher, err := api.Watch(t.Context(), list, client.InNamespace(namespace), client.MatchingFields{"metadata.name": name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(watcher.Stop)
	h := &history{kind: k}
	go func() {
		for event := range watcher.ResultChan() {
			h.mu.Lock()
			h.events = append(h.events, event)
			h.mu.Unlock()
		}
	}()
	return h
}

// until waits until the history contains this resource version, and returns the
// events up to it.
func (h *history) until(t *testing.T, resourceVersion string) []watch.Event {
	t.Helper()
	var events []watch.Event
	poll.Eventually(t, "the watch to catch up", func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		for i, event := range h.events {
			if object, ok := event.Object.(client.Object); ok && object.GetResourceVersion() == resourceVersion {
				events = h.events[:i+1]
				return nil
			}
		}
		return errNotYet
	})
	return events
}

// wantTakenOver checks that an object was never deleted, and at no time had fewer
// certificates or stores than at the beginning (T5).
func (h *history) wantTakenOver(t *testing.T, last *corev1.ConfigMap, stores ...string) {
	t.Helper()
	certificates := 1
	for i, event := range h.until(t, last.ResourceVersion) {
		object, ok := event.Object.(client.Object)
		if !ok || event.Type == watch.Deleted {
			t.Errorf("the watch says %s: %v", event.Type, event.Object)
			continue
		}
		seen := form(object)
		count := len(commonNames(seen.Data[targetKey]))
		if i == 0 {
			certificates = max(certificates, count)
		}
		if seen.UID != last.UID || count < certificates {
			t.Errorf("on the way the object was %s with the keys %q and %d certificates; want %s, with %d at any moment",
				seen.UID, keysOf(seen), count, last.UID, certificates)
		}
		for _, key := range stores {
			if len(h.kind.binary(seen, key)) == 0 {
				t.Errorf("on the way there was no store under %q", key)
			}
		}
	}
}

// types returns the types of all events so far.
func (h *history) types() []watch.EventType {
	h.mu.Lock()
	defer h.mu.Unlock()
	var types []watch.EventType
	for _, event := range h.events {
		types = append(types, event.Type)
	}
	return types
}
