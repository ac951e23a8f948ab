package integration

import (
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// history is what a watch tells of one ConfigMap.
type history struct {
	mu     sync.Mutex
	events []watch.Event
}

// observe begins a history. Its first event is the object as it is, if it is
// there.
func observe(t *testing.T, namespace, name string) *history {
	t.Helper()
	watcher, err := api.Watch(t.Context(), &corev1.ConfigMapList{},
		client.InNamespace(namespace), client.MatchingFields{"metadata.name": name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(watcher.Stop)
	h := &history{}
	go func() {
		for event := range watcher.ResultChan() {
			h.mu.Lock()
			h.events = append(h.events, event)
			h.mu.Unlock()
		}
	}()
	return h
}

// until waits until the history has come to an object of this resource version,
// and gives it up to there.
func (h *history) until(t *testing.T, resourceVersion string) []watch.Event {
	t.Helper()
	var events []watch.Event
	eventually(t, "the watch to catch up", func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		for i, event := range h.events {
			if object, ok := event.Object.(*corev1.ConfigMap); ok && object.ResourceVersion == resourceVersion {
				events = h.events[:i+1]
				return nil
			}
		}
		return errNotYet
	})
	return events
}

// wantTakenOver checks that an object was never deleted, and never without a
// value under targetKey (T5).
func (h *history) wantTakenOver(t *testing.T, last *corev1.ConfigMap) {
	t.Helper()
	for _, event := range h.until(t, last.ResourceVersion) {
		object, ok := event.Object.(*corev1.ConfigMap)
		if !ok || event.Type == watch.Deleted {
			t.Errorf("the watch says %s: %v", event.Type, event.Object)
			continue
		}
		if object.UID != last.UID || object.Data[targetKey] == "" {
			t.Errorf("on the way the object was %s with the keys %q; want %s, with the key %q at any moment",
				object.UID, keysOf(object), last.UID, targetKey)
		}
	}
}

// types gives the types of all events so far.
func (h *history) types() []watch.EventType {
	h.mu.Lock()
	defer h.mu.Unlock()
	var types []watch.EventType
	for _, event := range h.events {
		types = append(types, event.Type)
	}
	return types
}
