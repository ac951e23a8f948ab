package localnode

import (
	"context"
	"sync"
	"time"
)

// rival is a pod among those of one Deployment, of which one runs at a time.
type rival struct {
	workload string
	// template names the pod template, which is another after each change.
	template string
	created  time.Time
	// arrival counts the pods in the order in which this node has got them.
	arrival int
}

// succeeds tells whether a pod is to run in place of another: it is of another
// template, and newer.
func (r rival) succeeds(other rival) bool {
	if r.template == other.template {
		return false
	}
	if !r.created.Equal(other.created) {
		return r.created.After(other.created)
	}
	return r.arrival > other.arrival
}

// turns says which of the rivals may run.
type turns struct {
	mu      sync.Mutex
	held    map[string]*turn
	waiting map[*turn]bool
	// changed is closed at each change.
	changed chan struct{}
}

// turn is the right of one pod to run.
type turn struct {
	rival
	// yield is closed when the pod is to stop in favour of its successor.
	yield    chan struct{}
	yielding bool
}

// over tells whether the pod is to stop.
func (t *turn) over() bool {
	select {
	case <-t.yield:
		return true
	default:
		return false
	}
}

func newTurns() *turns {
	return &turns{held: map[string]*turn{}, waiting: map[*turn]bool{}, changed: make(chan struct{})}
}

// take waits until a pod may run. The turn must be given back.
func (t *turns) take(ctx context.Context, r rival) (*turn, error) {
	mine := &turn{rival: r, yield: make(chan struct{})}
	defer t.forget(mine)
	for {
		changed := t.try(mine)
		if changed == nil {
			return mine, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-changed:
		}
	}
}

// try takes the turn, or returns what is closed when it is worth to try again.
func (t *turns) try(mine *turn) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting[mine] = true
	holder := t.held[mine.workload]
	if holder == nil && !t.succeeded(mine) {
		t.held[mine.workload] = mine
		return nil
	}
	if holder != nil && mine.succeeds(holder.rival) && !holder.yielding {
		holder.yielding = true
		close(holder.yield)
	}
	return t.changed
}

// succeeded tells whether a successor of a pod waits too.
func (t *turns) succeeded(mine *turn) bool {
	for other := range t.waiting {
		if other.workload == mine.workload && other.succeeds(mine.rival) {
			return true
		}
	}
	return false
}

func (t *turns) forget(mine *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.waiting, mine)
	t.announce()
}

// giveBack ends a turn.
func (t *turns) giveBack(mine *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.held, mine.workload)
	t.announce()
}

func (t *turns) announce() {
	close(t.changed)
	t.changed = make(chan struct{})
}
