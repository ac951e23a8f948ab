package workqueue

import (
	"testing"
	"time"
)

// A change that a user waits for goes before a rollout to many targets, and verification
// of targets in sync is last; a queued key moves up.
func TestQueueOrder(t *testing.T) {
	t.Parallel()
	q := New[string]("test-order")
	defer q.items.ShutDown()
	q.Add(LowPriority, "restart")
	q.Add(DefaultPriority, "rollout 1", "rollout 2")
	q.AddAfter(HighPriority, time.Hour, "much later")
	q.Add(HighPriority, "new namespace")
	q.Add(HighPriority, "rollout 2")
	q.Add(LowPriority, "rollout 2")
	var got []string
	for range 4 {
		one, shutdown := q.items.Get()
		if shutdown {
			t.Fatal("the queue is shut down")
		}
		got = append(got, one)
	}
	want := []string{"new namespace", "rollout 2", "rollout 1", "restart"}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("order %q, want %q", got, want)
		}
	}
}

// The controller processes the queue to which other components add.
func TestQueueOptions(t *testing.T) {
	t.Parallel()
	q := New[string]("test-options")
	defer q.items.ShutDown()
	options := q.Options(7)
	if options.MaxConcurrentReconciles != 7 || options.NewQueue("any", nil) != q.items {
		t.Errorf("options %+v", options)
	}
}

// A key that keeps failing is retried at least every 10 s.
func TestQueueBoundsTheDelayAfterFailures(t *testing.T) {
	t.Parallel()
	limiter := newRateLimiter[string]()
	var last time.Duration
	for range 20 {
		last = limiter.When("key")
	}
	if last != 10*time.Second {
		t.Errorf("after 20 failures the delay is %s, want 10s", last)
	}
}
