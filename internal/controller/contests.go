package controller

import (
	"errors"
	"sync"
	"time"

	"trust-manager.io/internal/target"
)

const (
	// mostRepairs is how often a target is put right at once, again and again.
	// People and tools that change a target now and then stay far below it; two
	// controllers that undo each other's writes reach it in seconds.
	mostRepairs = 60
	// repairPause is how long it takes until one more repair is allowed.
	repairPause = 10 * time.Second
	// calmAfter is how long a contested target has to stay in order until it
	// counts as in order again: otherwise its status would flap.
	calmAfter = 15 * time.Second
)

// errContested is why a target is not put right at once any more.
var errContested = errors.New("something else keeps undoing the operator's writes of this object; " +
	"find out what writes it by its managedFields, and stop that or rename the Bundle")

// contests keeps the operator from fighting over a target without end with
// somebody who undoes each of its writes. It is safe for concurrent use.
type contests struct {
	mu     sync.Mutex
	repair map[target.Key]contest
}

type contest struct {
	// level rises by one with each repair and falls with time.
	level float64
	last  time.Time
	// hot says that a repair was refused, and there has been no calm since.
	hot bool
}

func newContests() *contests { return &contests{repair: map[target.Key]contest{}} }

// allow says whether a target may be put right now. The error is errContested.
func (c *contests) allow(key target.Key, now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.repair[key]
	one.level = max(0, one.level-float64(now.Sub(one.last))/float64(repairPause))
	one.last = now
	if one.level+1 > mostRepairs {
		one.hot = true
		c.repair[key] = one
		return errContested
	}
	one.level++
	c.repair[key] = one
	return nil
}

// wait says how long a target that is in order has to be watched until it
// counts as such; 0 for one that nobody contests.
func (c *contests) wait(key target.Key, now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	one, known := c.repair[key]
	if !known {
		return 0
	}
	calm := now.Sub(one.last)
	if one.hot && calm < calmAfter {
		return calmAfter - calm
	}
	one.hot = false
	if calm > mostRepairs*repairPause {
		delete(c.repair, key)
	} else {
		c.repair[key] = one
	}
	return 0
}

// forget drops what is known of a target.
func (c *contests) forget(key target.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.repair, key)
}
