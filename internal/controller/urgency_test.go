package controller

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/workqueue"
)

// T7, T8: events of a namespace go before roll-outs, but not without end, and those of
// another do all the same.
func TestUrgency(t *testing.T) {
	t.Parallel()
	w := newWorld()
	u := newUrgency(w.time)
	for range mostUrgent {
		if u.take("a") != workqueue.HighPriority {
			t.Fatal("an event is not urgent")
		}
	}
	if u.take("a") == workqueue.HighPriority {
		t.Error("one event too many is urgent")
	}
	if u.take("b") != workqueue.HighPriority {
		t.Error("an event of another namespace is not urgent")
	}
	w.time.now = w.time.now.Add(urgentPause / 2)
	if u.take("a") == workqueue.HighPriority {
		t.Error("an event after half a pause is urgent")
	}
	w.time.now = w.time.now.Add(urgentPause - urgentPause/2)
	if first, second := u.take("a"), u.take("a"); first != workqueue.HighPriority || second == workqueue.HighPriority {
		t.Errorf("after a pause the priorities are %d and %d", first, second)
	}
	w.time.now = w.time.now.Add(1000 * urgentPause)
	for range mostUrgent {
		u.take("a")
	}
	if u.take("a") == workqueue.HighPriority {
		t.Error("calm is saved up")
	}
	for i := range mostAllowances + 1 {
		u.take(fmt.Sprint(i))
	}
	if len(u.of) > mostAllowances {
		t.Errorf("%d namespaces are remembered", len(u.of))
	}
}

// What a namespace has spent it does not get back by what happens in others.
func TestUrgencyOfOthers(t *testing.T) {
	t.Parallel()
	for _, others := range []int{2, 100} {
		u := newUrgency(newWorld().time)
		for range mostUrgent {
			u.take("a")
		}
		for i := range others {
			if u.take(fmt.Sprint(i)) != workqueue.HighPriority {
				t.Errorf("the event of one of %d others is not urgent", others)
			}
		}
		if u.take("a") == workqueue.HighPriority {
			t.Errorf("after events of %d others one more is urgent", others)
		}
	}
}

// Objects that a tenant labels by the thousand are looked at after roll-outs.
func TestEventsOfAFlood(t *testing.T) {
	t.Parallel()
	w := newWorld()
	handler := targetEvents(w.environment, newMemory(), bundle.ConfigMap)
	for i := range 2 * mostUrgent {
		name := fmt.Sprint("labelled-", i)
		create(handler, changed(observed("roots", "a", "7"), func(o *metav1.PartialObjectMetadata) {
			o.Name, o.Labels = name, map[string]string{v1alpha1.BundleLabelKey: name}
		}))
	}
	counts := map[int]int{}
	for _, note := range w.targetNotes.Take() {
		counts[note.Priority]++
	}
	if counts[workqueue.HighPriority] != mostUrgent || counts[workqueue.LowPriority] != mostUrgent {
		t.Errorf("queued by priority: %v", counts)
	}
}
