package target

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/workqueue"
	"trust-manager.io/test/framework/fake"
)

// T7, T8: events of a namespace go before rollouts up to a limit, which does not affect
// other namespaces.
func TestNamespaceLimiter(t *testing.T) {
	t.Parallel()
	now := fake.NewClock()
	u := newNamespaceLimiter(now)
	for range maxUrgent {
		if u.next("a") != workqueue.HighPriority {
			t.Fatal("an event is not urgent")
		}
	}
	if u.next("a") == workqueue.HighPriority {
		t.Error("one event too many is urgent")
	}
	if u.next("b") != workqueue.HighPriority {
		t.Error("an event of another namespace is not urgent")
	}
	now.Time = now.Time.Add(urgentInterval / 2)
	if u.next("a") == workqueue.HighPriority {
		t.Error("an event after half a pause is urgent")
	}
	now.Time = now.Time.Add(urgentInterval - urgentInterval/2)
	if first, second := u.next("a"), u.next("a"); first != workqueue.HighPriority || second == workqueue.HighPriority {
		t.Errorf("after a pause the priorities are %d and %d", first, second)
	}
	now.Time = now.Time.Add(1000 * urgentInterval)
	for range maxUrgent {
		u.next("a")
	}
	if u.next("a") == workqueue.HighPriority {
		t.Error("the burst exceeds its limit after a pause")
	}
	for i := range maxNamespaces + 1 {
		u.next(fmt.Sprint(i))
	}
	if len(u.of) > maxNamespaces {
		t.Errorf("%d namespaces are recorded", len(u.of))
	}
}

// Events of other namespaces do not restore the burst of a namespace.
func TestNamespaceLimiterSeparatesNamespaces(t *testing.T) {
	t.Parallel()
	for _, others := range []int{2, 100} {
		u := newNamespaceLimiter(fake.NewClock())
		for range maxUrgent {
			u.next("a")
		}
		for i := range others {
			if u.next(fmt.Sprint(i)) != workqueue.HighPriority {
				t.Errorf("the event of one of %d others is not urgent", others)
			}
		}
		if u.next("a") == workqueue.HighPriority {
			t.Errorf("after events of %d others one more is urgent", others)
		}
	}
}

// Thousands of objects that a tenant labels are reconciled after rollouts.
func TestEventsOfAFlood(t *testing.T) {
	t.Parallel()
	x, w := newWorld(nil)
	handler := x.targetEvents(apis.Bundle{}.Marks(), bundle.ConfigMap)
	for i := range 2 * maxUrgent {
		name := fmt.Sprint("labelled-", i)
		fake.Create(handler, fake.Changed(fake.Observed("roots", "a", "7"), func(o *metav1.PartialObjectMetadata) {
			o.Name, o.Labels = name, map[string]string{v1alpha1.BundleLabelKey: name}
		}))
	}
	counts := map[int]int{}
	for _, note := range w.targetNotes.Take() {
		counts[note.Priority]++
	}
	if counts[workqueue.HighPriority] != maxUrgent || counts[workqueue.LowPriority] != maxUrgent {
		t.Errorf("queued by priority: %v", counts)
	}
}
