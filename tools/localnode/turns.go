package localnode

import (
	"context"
	"sync"
	"time"
)

// rival is one of the pods of a Deployment, of which only one runs at a time.
type rival struct {
	workload string
	// template is the hash of the pod template.
	template string
	created  time.Time
	// arrival is the position of the pod in the order in which this node received its
	// pods.
	arrival int
}

// succeeds reports whether r is to run instead of other: it has another template
// and is newer.
func (r rival) succeeds(other rival) bool {
	if r.template == other.template {
		return false
	}
	if !r.created.Equal(other.created) {
		return r.created.After(other.created)
	}
	return r.arrival > other.arrival
}

// turns decides which of the rivals may run.
type turns struct {
	mu      sync.Mutex
	held    map[string]*turn
	waiting map[*turn]bool
	// changed is closed and replaced at each change.
	changed chan struct{}
}

// turn is the right of one pod to run.
type turn struct {
	rival
	// yield is closed when the pod is to stop in favor of its successor.
	yield    chan struct{}
	yielding bool
}

// over reports whether the pod is to stop.
func (t *turn) over() bool {
	select {
	case <-t.yield:
		return true
	default:
		return false
	}
}

// newTurns returns turns that no pod holds.
func newTurns() *turns {
	return &turns{held: map[string]*turn{}, waiting: map[*turn]bool{}, changed: make(chan struct{})}
}

// take waits until the pod may run. The caller must release the turn.
func (t *turns) take(ctx context.Context, r rival) (*turn, error) {
	own := &turn{rival: r, yield: make(chan struct{})}
	defer t.forget(own)
	for {
		changed := t.try(own)
		if changed == nil {
			return own, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-changed:
		}
	}
}

// try acquires the turn, or returns a channel that is closed when trying again is
// worthwhile.
func (t *turns) try(own *turn) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting[own] = true
	holder := t.held[own.workload]
	if holder == nil && !t.succeeded(own) {
		t.held[own.workload] = own
		return nil
	}
	if holder != nil && own.succeeds(holder.rival) && !holder.yielding {
		holder.yielding = true
		close(holder.yield)
	}
	return t.changed
}

// succeeded reports whether a successor of the pod is waiting.
func (t *turns) succeeded(own *turn) bool {
	for other := range t.waiting {
		if other.workload == own.workload && other.succeeds(own.rival) {
			return true
		}
	}
	return false
}

// forget removes a turn from those that are waiting.
func (t *turns) forget(own *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.waiting, own)
	t.announce()
}

// release releases a turn.
func (t *turns) release(own *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.held, own.workload)
	t.announce()
}

// announce wakes all pods that wait for a turn.
func (t *turns) announce() {
	close(t.changed)
	t.changed = make(chan struct{})
}
