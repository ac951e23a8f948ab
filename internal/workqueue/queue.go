package workqueue

import (
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/handler"
)

// Priorities of keys: a change that a person waits for goes ahead of a rollout to many
// targets, and verification of what is in sync comes last.
const (
	HighPriority    = 100
	DefaultPriority = 0
	LowPriority     = handler.LowPriority
)

// The delay after a failed reconciliation doubles from minFailureDelay to
// maxFailureDelay: once a person has removed the cause, such as a policy, the next try
// comes within that time.
const (
	minFailureDelay = 10 * time.Millisecond
	maxFailureDelay = 10 * time.Second
)

// Queue is the queue of one controller. It exists before the controller does, so that
// others can add to it at any time. It is safe for concurrent use.
type Queue[K comparable] struct {
	name  string
	items priorityqueue.PriorityQueue[K]
}

// New returns an empty queue. The name is that of its controller, in logs and metrics.
func New[K comparable](name string) *Queue[K] {
	return From(name, priorityqueue.New(name, func(o *priorityqueue.Opts[K]) {
		o.RateLimiter = newRateLimiter[K]()
	}))
}

func newRateLimiter[K comparable]() workqueue.TypedRateLimiter[K] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[K](minFailureDelay, maxFailureDelay)
}

// From returns a queue on top of an existing priority queue.
func From[K comparable](name string, items priorityqueue.PriorityQueue[K]) *Queue[K] {
	return &Queue[K]{name: name, items: items}
}

// Name returns the name of the queue's controller.
func (q *Queue[K]) Name() string { return q.name }

// Add enqueues keys. The priority of a key that is queued already rises, and never
// falls.
func (q *Queue[K]) Add(priority int, keys ...K) {
	q.items.AddWithOpts(priorityqueue.AddOpts{Priority: &priority}, keys...)
}

// AddAfter enqueues a key once a delay has passed.
func (q *Queue[K]) AddAfter(priority int, delay time.Duration, key K) {
	q.items.AddWithOpts(priorityqueue.AddOpts{Priority: &priority, After: delay}, key)
}

// Options returns the options of a controller that works on the queue.
func (q *Queue[K]) Options(workers int) controller.TypedOptions[K] {
	return controller.TypedOptions[K]{
		MaxConcurrentReconciles: workers,
		// Managers that run one after another in a process have controllers of one name.
		SkipNameValidation: new(true),
		NewQueue: func(string, workqueue.TypedRateLimiter[K]) workqueue.TypedRateLimitingInterface[K] {
			return q.items
		},
	}
}
