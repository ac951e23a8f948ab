package workqueue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"trust-manager.io/internal/text"
)

const (
	// minWait is how long a worker waits for one key at least, and slowFactor how many
	// times the mean latency it waits. A key that takes longer, for example because of
	// a slow admission webhook, continues without a worker. If the API server is slow
	// as a whole, detaching keys would only pile up requests.
	minWait    = 100 * time.Millisecond
	slowFactor = 4
	// maxDetached is how many keys may continue without a worker, for each worker.
	maxDetached = 4
	// retryShare is the share of the workers that failed keys may hold: one in four.
	retryShare = 4
	// minBackoff and maxBackoff bound the delay before a failed key is retried; it
	// doubles in between.
	minBackoff = 250 * time.Millisecond
	maxBackoff = 60 * time.Second
	// soonBackoff bounds the delay of an error made by RetrySoon.
	soonBackoff = 500 * time.Millisecond
	// maxLoggedError bounds the text of an error in the log, in bytes.
	maxLoggedError = 1 << 10
)

// Pool runs the work on keys so that keys that hang or fail do not hold up the others.
// Keys of one group tend to hang together. It is safe for concurrent use.
type Pool[K, G comparable] struct {
	queue   *Queue[K]
	options Options[K, G]

	// running counts the detached keys.
	running sync.WaitGroup
	mu      sync.Mutex
	// detached are the keys that continue without a worker; true means that the key
	// was queued again meanwhile.
	detached map[K]bool
	// slowPerGroup counts the detached keys of each group.
	slowPerGroup map[G]int
	// failures counts the failures in a row of each key.
	failures map[K]int
	// retrying counts the workers that failed keys hold.
	retrying int
	// meanLatency is a moving average of the time that a key takes.
	meanLatency time.Duration
}

// Options are the settings of a Pool.
type Options[K, G comparable] struct {
	// Workers is how many keys are worked on at the same time.
	Workers int
	// Group returns the group of a key.
	Group func(K) G
	// Deadline bounds the work on a key.
	Deadline time.Duration
	// Clock measures how long keys take.
	Clock clock.PassiveClock
}

// NewPool returns a pool that requeues keys in a queue.
func NewPool[K, G comparable](queue *Queue[K], options Options[K, G]) *Pool[K, G] {
	return &Pool[K, G]{
		queue:        queue,
		options:      options,
		detached:     map[K]bool{},
		slowPerGroup: map[G]int{},
		failures:     map[K]int{},
	}
}

// Run does the work on a key, and returns once it is finished or has taken longer than a
// worker should wait. A failure requeues the key.
func (p *Pool[K, G]) Run(ctx context.Context, key K, work func(context.Context) error) {
	release, ok := p.acquire(key)
	if !ok {
		return
	}
	defer release()
	done := make(chan struct{})
	go func() {
		// When the process stops, requests that are in flight end (R4).
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.options.Deadline)
		defer cancel()
		start := p.options.Clock.Now()
		err := Guard(bounded, work)
		if errors.Is(err, errPanic) {
			log.FromContext(ctx).Error(err, "The work on a key panicked and is retried", "key", fmt.Sprint(key))
		}
		p.finish(ctx, key, done, p.options.Clock.Since(start), err)
	}()
	timer := time.NewTimer(p.workerTimeout())
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		if !p.detach(ctx, key, done) {
			<-done
		}
	}
}

// workerTimeout returns how long a worker waits for one key now.
func (p *Pool[K, G]) workerTimeout() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.timeout()
}

func (p *Pool[K, G]) timeout() time.Duration { return max(minWait, slowFactor*p.meanLatency) }

// errPanic is the class of an error that was a panic.
var errPanic = errors.New("panic")

// Guard runs the work, and returns a panic as an error.
func Guard(ctx context.Context, work func(context.Context) error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%w: %v\n%s", errPanic, cause, debug.Stack())
		}
	}()
	return work(ctx)
}

// boundedError is the class of errors that RetryWithin returns.
type boundedError struct {
	error
	most time.Duration
}

// Unwrap returns the wrapped error.
func (e boundedError) Unwrap() error { return e.error }

// RetryWithin wraps an error whose key is retried after at most this delay, because a retry
// is cheap and its cause may end at any time without an event.
func RetryWithin(most time.Duration, err error) error { return boundedError{err, most} }

// soonError is the class of errors that RetrySoon returns.
type soonError struct{ error }

func (e soonError) Unwrap() error { return e.error }

// RetrySoon wraps an error whose cause is expected to end within moments: its key is
// retried within half a second however often it has failed, at high priority.
func RetrySoon(err error) error { return soonError{err} }

// IsSoon reports whether an error was wrapped by RetrySoon.
func IsSoon(err error) bool {
	var soon soonError
	return errors.As(err, &soon)
}

// Enqueue queues keys. Those that have failed come last: they are the least likely to
// succeed, and may hang.
func (p *Pool[K, G]) Enqueue(priority int, keys ...K) {
	var sound, failed []K
	p.mu.Lock()
	for _, key := range keys {
		if p.failures[key] == 0 {
			sound = append(sound, key)
		} else {
			failed = append(failed, key)
		}
	}
	p.mu.Unlock()
	p.queue.Add(priority, sound...)
	p.queue.Add(LowPriority, failed...)
}

// acquire reserves a worker for a key. It fails while the key or another of its group
// continues without a worker, and while failed keys hold too many workers.
func (p *Pool[K, G]) acquire(key K) (release func(), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, busy := p.detached[key]; busy {
		p.detached[key] = true
		return nil, false
	}
	if p.slowPerGroup[p.options.Group(key)] > 0 {
		p.queue.AddAfter(LowPriority, minBackoff, key)
		return nil, false
	}
	if p.failures[key] == 0 {
		return func() {}, true
	}
	if p.retrying >= max(1, p.options.Workers/retryShare) {
		p.queue.AddAfter(LowPriority, minBackoff, key)
		return nil, false
	}
	p.retrying++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.retrying--
	}, true
}

// detach lets a key continue without its worker, if there is room and the process is not
// stopping: Drain would not wait for it.
func (p *Pool[K, G]) detach(ctx context.Context, key K, done <-chan struct{}) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-done:
		return true
	default:
	}
	if len(p.detached) >= maxDetached*p.options.Workers || ctx.Err() != nil {
		return false
	}
	p.detached[key] = false
	p.slowPerGroup[p.options.Group(key)]++
	p.running.Add(1)
	return true
}

// finish ends the work on a key, and requeues the key if needed. done is closed before
// the lock is released, so a key that is finished is never detached.
func (p *Pool[K, G]) finish(ctx context.Context, key K, done chan<- struct{}, took time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer close(done)
	again, detached := p.detached[key]
	if detached {
		delete(p.detached, key)
		group := p.options.Group(key)
		if p.slowPerGroup[group]--; p.slowPerGroup[group] == 0 {
			delete(p.slowPerGroup, group)
		}
		p.running.Done()
	}
	if err == nil {
		// A latency counts up to the timeout only: a few slow keys must not make
		// workers wait longer for all others.
		p.meanLatency += (min(took, p.timeout()) - p.meanLatency) / 16
		delete(p.failures, key)
	} else {
		p.retry(ctx, key, err)
	}
	if again {
		p.queue.Add(HighPriority, key)
	}
}

// retry requeues a key that has failed. The lock is held. An error of RetrySoon does not
// count towards the delay of other errors.
func (p *Pool[K, G]) retry(ctx context.Context, key K, err error) {
	priority, delay := HighPriority, jitter(soonBackoff)
	if !IsSoon(err) {
		p.failures[key]++
		priority, delay = LowPriority, backoff(p.failures[key])
	}
	var bounded boundedError
	if errors.As(err, &bounded) {
		delay = min(delay, jitter(bounded.most))
	}
	log.FromContext(ctx).V(1).Info("The work on a key failed and is retried",
		"key", fmt.Sprint(key), "after", delay.String(), "error", text.Truncate(err.Error(), maxLoggedError))
	p.queue.AddAfter(priority, delay, key)
}

// backoff returns the delay after a number of failures in a row, with jitter so that
// keys that failed together are not retried together.
func backoff(failures int) time.Duration {
	delay := maxBackoff
	if failures < 9 { // 2^8 × 250 ms exceeds maxBackoff
		delay = min(maxBackoff, minBackoff<<(failures-1))
	}
	return jitter(delay)
}

// jitter returns a delay that is up to a fifth shorter.
func jitter(delay time.Duration) time.Duration {
	fifth := int64(delay) / 5
	if fifth <= 0 {
		return delay
	}
	return delay - time.Duration(rand.Int64N(fifth)) //nolint:gosec // only spreads the load
}

// Drain waits for the end of the context, and then for the keys that continue without a
// worker. It takes the lock once, so that keys that are just being detached count.
func (p *Pool[K, G]) Drain(ctx context.Context) error {
	<-ctx.Done()
	p.mu.Lock()
	p.mu.Unlock() //nolint:staticcheck // acquiring it is the point
	p.running.Wait()
	return nil
}
