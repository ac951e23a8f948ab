package controller

import (
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// What a person waits for goes before a roll-out to many, and looking after
// things that are in order comes last; a request that is there moves up.
func TestQueueOrder(t *testing.T) {
	t.Parallel()
	q := newQueue[string]("test-order")
	defer q.items.ShutDown()
	q.add(background, "restart")
	q.add(bulk, "roll-out 1", "roll-out 2")
	q.addAfter(urgent, time.Hour, "much later")
	q.add(urgent, "new namespace")
	q.add(urgent, "roll-out 2")
	q.add(background, "roll-out 2")
	var got []string
	for range 4 {
		one, shutdown := q.items.Get()
		if shutdown {
			t.Fatal("the queue is shut down")
		}
		got = append(got, one)
	}
	want := []string{"new namespace", "roll-out 2", "roll-out 1", "restart"}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("order %q, want %q", got, want)
		}
	}
}

// The controller works off the queue that others add to.
func TestQueueOptions(t *testing.T) {
	t.Parallel()
	q := newQueue[string]("test-options")
	defer q.items.ShutDown()
	options := q.options(7)
	if options.MaxConcurrentReconciles != 7 || options.NewQueue("any", nil) != q.items {
		t.Errorf("options %+v", options)
	}
}

// Design rule 10: the API server is the limiter.
func TestRESTConfig(t *testing.T) {
	t.Parallel()
	from := &rest.Config{Host: "https://server", QPS: 5}
	got := RESTConfig(from)
	if got.QPS >= 0 || !got.DisableCompression || got.Host != from.Host {
		t.Errorf("configuration %v", got)
	}
	if from.QPS != 5 || from.DisableCompression {
		t.Errorf("the one given has changed: %v", from)
	}
}
