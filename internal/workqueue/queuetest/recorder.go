// Package queuetest records what is added to a queue, for tests.
package queuetest

import (
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
)

// Added is one key that was added to a queue.
type Added[K comparable] struct {
	Priority int
	After    time.Duration
	Key      K
}

// Recorder is a priority queue that hands out nothing and records what is added. Its zero
// value is ready to use. It is safe for concurrent use.
type Recorder[K comparable] struct {
	priorityqueue.PriorityQueue[K]
	mu    sync.Mutex
	added []Added[K]
}

// AddWithOpts implements priorityqueue.PriorityQueue.
func (r *Recorder[K]) AddWithOpts(o priorityqueue.AddOpts, keys ...K) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range keys {
		r.added = append(r.added, Added[K]{*o.Priority, o.After, key})
	}
}

// Take returns what was added since the last call, in order.
func (r *Recorder[K]) Take() []Added[K] {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.added
	r.added = nil
	return taken
}
