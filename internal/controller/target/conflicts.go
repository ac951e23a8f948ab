package target

import (
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"trust-manager.io/internal/target"
	"trust-manager.io/internal/workqueue"
)

const (
	// maxRepairs is how often in a row a target is repaired immediately. People and tools
	// that change a target now and then stay far below it; two controllers that revert
	// each other's writes reach it in seconds.
	maxRepairs = 60
	// repairInterval is the time after which one more repair is allowed.
	repairInterval = 7 * time.Second
	// quietPeriod is how long a contested target has to stay in sync before it counts as
	// in sync again; otherwise its status would flap. A target that is left alone is in sync
	// within 20 s: a repair is allowed within repairInterval, and its retry may be a quarter
	// later.
	quietPeriod = 10 * time.Second
)

// errContested reports that a target is no longer repaired immediately.
var errContested = errors.New("another controller keeps reverting this object; " +
	"find it by the object's managedFields, and stop it or rename the Bundle")

// conflictLimiter limits how often a target is repaired, so that the operator does not
// fight endlessly with a writer that reverts each of its writes. It is safe for
// concurrent use.
type conflictLimiter struct {
	mu      sync.Mutex
	entries map[target.Key]*conflict
}

type conflict struct {
	repairs *rate.Limiter
	last    time.Time
	// tripped reports that a repair was refused and no quiet period has followed.
	tripped bool
}

func newConflictLimiter() *conflictLimiter {
	return &conflictLimiter{entries: map[target.Key]*conflict{}}
}

// allow counts a repair of a target. If there were too many, it returns errContested, which
// is retried shortly after the next repair is allowed, at the latest.
func (c *conflictLimiter) allow(key target.Key, now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry := c.entries[key]
	if entry == nil {
		entry = &conflict{repairs: rate.NewLimiter(rate.Every(repairInterval), maxRepairs)}
		c.entries[key] = entry
	}
	entry.last = now
	repair := entry.repairs.ReserveN(now, 1)
	if wait := repair.DelayFrom(now); wait > 0 {
		repair.CancelAt(now)
		entry.tripped = true
		// A retry may come a fifth earlier than its limit.
		return workqueue.RetryWithin(wait+wait/4+time.Millisecond, errContested)
	}
	return nil
}

// quietFor returns how much longer a target has to stay in sync before it counts as in
// sync; 0 if it is not contested.
func (c *conflictLimiter) quietFor(key target.Key, now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry := c.entries[key]
	if entry == nil {
		return 0
	}
	quiet := now.Sub(entry.last)
	if entry.tripped && quiet < quietPeriod {
		return quietPeriod - quiet
	}
	entry.tripped = false
	if quiet > maxRepairs*repairInterval {
		delete(c.entries, key)
	}
	return 0
}

// forget drops the record of a target.
func (c *conflictLimiter) forget(key target.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, key)
}
