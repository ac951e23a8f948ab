package target

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/clock"

	"trust-manager.io/internal/workqueue"
)

const (
	// maxUrgent is the burst of events of one namespace that go ahead of rollouts: as many
	// as fifty Bundles with targets of both kinds cause when all of them change.
	maxUrgent = 100
	// urgentInterval is the time after which one more event does.
	urgentInterval = time.Second
	// maxNamespaces limits the namespaces that are recorded.
	maxNamespaces = 10_000
)

// namespaceLimiter limits how many events of a namespace go ahead of rollouts to other
// namespaces. Repairs are urgent, but a writer in one namespace can cause any number of
// events, and must not delay changes in all others. It is safe for concurrent use.
type namespaceLimiter struct {
	clock clock.PassiveClock
	mu    sync.Mutex
	of    map[string]*rate.Limiter
}

func newNamespaceLimiter(clock clock.PassiveClock) *namespaceLimiter {
	return &namespaceLimiter{clock: clock, of: map[string]*rate.Limiter{}}
}

// next counts an event in a namespace, and returns its priority.
func (n *namespaceLimiter) next(namespace string) (priority int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	limiter := n.of[namespace]
	if limiter == nil {
		if len(n.of) >= maxNamespaces {
			clear(n.of) // every namespace starts again with a full burst, which costs little
		}
		limiter = rate.NewLimiter(rate.Every(urgentInterval), maxUrgent)
		n.of[namespace] = limiter
	}
	if limiter.AllowN(n.clock.Now(), 1) {
		return workqueue.HighPriority
	}
	return workqueue.LowPriority
}
