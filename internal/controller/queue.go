package controller

import (
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
)

// Priorities of the queues: what a person waits for goes before a roll-out to
// many, and looking after things that are in order comes last.
const (
	urgent     = 100
	bulk       = 0
	background = -100
)

// The delay after a failure doubles from firstFailure to lastFailure: what a person puts
// right, such as a policy, takes effect within that time.
const (
	firstFailure = 10 * time.Millisecond
	lastFailure  = 10 * time.Second
)

// queue is the queue of a controller, which others also add to. It is made
// before the controller so that none of them has to wait for it.
type queue[request comparable] struct {
	name  string
	items priorityqueue.PriorityQueue[request]
}

func newQueue[request comparable](name string) *queue[request] {
	return &queue[request]{name: name, items: priorityqueue.New(name, func(o *priorityqueue.Opts[request]) {
		o.RateLimiter = workqueue.NewTypedItemExponentialFailureRateLimiter[request](firstFailure, lastFailure)
	})}
}

// add puts requests into the queue; one that is there already moves up, never
// down.
func (q *queue[request]) add(priority int, requests ...request) {
	q.items.AddWithOpts(priorityqueue.AddOpts{Priority: &priority}, requests...)
}

// addAfter puts a request into the queue once a time has passed.
func (q *queue[request]) addAfter(priority int, after time.Duration, one request) {
	q.items.AddWithOpts(priorityqueue.AddOpts{Priority: &priority, After: after}, one)
}

// options gives the options of the controller that works the queue off.
func (q *queue[request]) options(workers int) controller.TypedOptions[request] {
	return controller.TypedOptions[request]{
		MaxConcurrentReconciles: workers,
		NewQueue: func(string, workqueue.TypedRateLimiter[request]) workqueue.TypedRateLimitingInterface[request] {
			return q.items
		},
	}
}
