package controller

import (
	"sync"
	"time"

	"k8s.io/utils/clock"

	"trust-manager.io/internal/workqueue"
)

const (
	// mostUrgent is how many events of one namespace go before roll-outs at once: as
	// many as fifty Bundles with targets of both kinds cause when all of them change.
	mostUrgent = 100
	// urgentPause is how long it takes until one more does.
	urgentPause = time.Second
	// mostAllowances bounds how many namespaces are remembered.
	mostAllowances = 10_000
)

// urgency bounds how many events of a namespace go before the roll-outs to others.
// Somebody waits for a repair; but who may write in one namespace can cause as many
// events as they like, and must not keep a change from all the rest. It is safe for
// concurrent use.
type urgency struct {
	clock clock.PassiveClock
	mu    sync.Mutex
	of    map[string]allowance
}

// allowance is what a namespace had left at a time.
type allowance struct {
	left float64
	at   time.Time
}

func newUrgency(clock clock.PassiveClock) *urgency {
	return &urgency{clock: clock, of: map[string]allowance{}}
}

// take gives the priority of one more event in a namespace.
func (u *urgency) take(namespace string) (priority int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := u.clock.Now()
	one, known := u.of[namespace]
	switch {
	case known:
		one.left = min(mostUrgent, one.left+float64(now.Sub(one.at))/float64(urgentPause))
	default:
		one.left = mostUrgent
		if len(u.of) >= mostAllowances {
			clear(u.of) // all of them begin afresh, which costs little
		}
	}
	one.at = now
	priority = workqueue.LowPriority
	if one.left >= 1 {
		one.left--
		priority = workqueue.HighPriority
	}
	u.of[namespace] = one
	return priority
}
