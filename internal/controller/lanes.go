package controller

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

	"trust-manager.io/internal/target"
)

const (
	// leastPatience is how long a worker waits for one target at least, and
	// slowness how many times the usual time of a target it waits. What takes
	// longer, such as a slow admission webhook, goes on without a worker. Where
	// the API server is slow as a whole, that would only pile requests up.
	leastPatience = 100 * time.Millisecond
	slowness      = 4
	// aside is how many targets may go on without a worker, for each worker.
	aside = 4
	// retryShare is the part of the workers that targets which have failed may
	// hold: one in four.
	retryShare = 4
	// firstRetry and lastRetry bound the delay before a target is tried again;
	// it doubles in between.
	firstRetry = 250 * time.Millisecond
	lastRetry  = 60 * time.Second
)

// lanes keeps targets that hang or fail from holding up the others. Each key
// runs at most once at a time, with or without a worker. It is safe for
// concurrent use.
type lanes struct {
	queue   *queue[target.Key]
	workers int
	clock   clock.PassiveClock

	// running counts the detached targets.
	running sync.WaitGroup
	mu      sync.Mutex
	// detached are the targets that go on without a worker; true means that
	// the target came up again meanwhile.
	detached map[target.Key]bool
	// hanging counts the detached targets of each namespace.
	hanging map[string]int
	// failures counts the failures in a row of each target.
	failures map[target.Key]int
	// retrying counts the workers that failed targets hold.
	retrying int
	// usual is a moving average of the time that a target takes.
	usual time.Duration
}

func newLanes(workers int, queue *queue[target.Key], clock clock.PassiveClock) *lanes {
	return &lanes{
		queue:    queue,
		workers:  workers,
		clock:    clock,
		detached: map[target.Key]bool{},
		hanging:  map[string]int{},
		failures: map[target.Key]int{},
	}
}

// run works on a target, and returns when that is done or has taken longer than
// a worker should wait. A failure puts the key back into the queue.
func (l *lanes) run(ctx context.Context, key target.Key, work func(context.Context) error) {
	leave, ok := l.enter(key)
	if !ok {
		return
	}
	defer leave()
	done := make(chan struct{})
	go func() {
		// A stop lets requests end that are under way (R4).
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeDeadline)
		defer cancel()
		began := l.clock.Now()
		err := guarded(bounded, work)
		if errors.Is(err, errPanic) {
			log.FromContext(ctx).Error(err, "A target caused a panic and is tried again", "target", key.String())
		}
		l.settle(ctx, key, done, l.clock.Since(began), err)
	}()
	timer := time.NewTimer(l.patience())
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		if !l.detach(ctx, key, done) {
			<-done
		}
	}
}

// patience is how long a worker waits for one target now.
func (l *lanes) patience() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waits()
}

func (l *lanes) waits() time.Duration { return max(leastPatience, slowness*l.usual) }

// errPanic is the class of an error that was a panic.
var errPanic = errors.New("panic")

// guarded runs the work and makes a panic an error of this one target.
func guarded(ctx context.Context, work func(context.Context) error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%w: %v\n%s", errPanic, cause, debug.Stack())
		}
	}()
	return work(ctx)
}

// add has targets looked at, those that have failed last: they are the least
// likely to succeed, and may hang.
func (l *lanes) add(priority int, keys ...target.Key) {
	var sound, failed []target.Key
	l.mu.Lock()
	for _, key := range keys {
		if l.failures[key] == 0 {
			sound = append(sound, key)
		} else {
			failed = append(failed, key)
		}
	}
	l.mu.Unlock()
	l.queue.add(priority, sound...)
	l.queue.add(background, failed...)
}

// enter gives leave to work on a target with a worker. There is none while the
// target goes on without one or another in its namespace does, or while too many
// workers are held by targets that have failed before.
func (l *lanes) enter(key target.Key) (leave func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, busy := l.detached[key]; busy {
		l.detached[key] = true
		return nil, false
	}
	if l.hanging[key.Namespace] > 0 {
		l.queue.addAfter(background, firstRetry, key)
		return nil, false
	}
	if l.failures[key] == 0 {
		return func() {}, true
	}
	if l.retrying >= max(1, l.workers/retryShare) {
		l.queue.addAfter(background, firstRetry, key)
		return nil, false
	}
	l.retrying++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.retrying--
	}, true
}

// detach lets a target go on without its worker, if there is room and no stop
// has begun: drain would not know of it.
func (l *lanes) detach(ctx context.Context, key target.Key, done <-chan struct{}) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-done:
		return true
	default:
	}
	if len(l.detached) >= aside*l.workers || ctx.Err() != nil {
		return false
	}
	l.detached[key] = false
	l.hanging[key.Namespace]++
	l.running.Add(1)
	return true
}

// settle ends the work on a target and sees to it that it comes up again where
// it has to. Work is done when the lock is free again: a target that is done is
// never detached.
func (l *lanes) settle(ctx context.Context, key target.Key, done chan<- struct{}, took time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer close(done)
	again, detached := l.detached[key]
	if detached {
		delete(l.detached, key)
		if l.hanging[key.Namespace]--; l.hanging[key.Namespace] == 0 {
			delete(l.hanging, key.Namespace)
		}
		l.running.Done()
	}
	if err == nil {
		// What takes longer than a worker waits counts only so much: a few
		// slow targets must not make all others wait for them.
		l.usual += (min(took, l.waits()) - l.usual) / 16
		delete(l.failures, key)
	} else {
		l.failures[key]++
		priority, delay := background, backoff(l.failures[key])
		if errors.Is(err, errActiveNamespace) {
			// The API server takes the write in moments, as for any new namespace.
			priority, delay = urgent, min(delay, terminatingRetry)
		}
		log.FromContext(ctx).V(1).Info("A target failed and is tried again", "target", key.String(), "after", delay.String(), "error", explain(err))
		l.queue.addAfter(priority, delay, key)
	}
	if again {
		l.queue.add(urgent, key)
	}
}

// backoff gives the delay after a number of failures in a row, with some
// randomness so that targets that failed together do not come back together.
func backoff(failures int) time.Duration {
	delay := lastRetry
	if failures < 9 { // 2^8 × 250 ms is past lastRetry
		delay = min(lastRetry, firstRetry<<(failures-1))
	}
	return delay - time.Duration(rand.Int64N(int64(delay)/5)) //nolint:gosec // only spreads the load
}

// drain waits at the end for the targets that go on without a worker. Taking the
// lock once lets those through that are just being detached.
func (l *lanes) drain(ctx context.Context) error {
	<-ctx.Done()
	l.mu.Lock()
	l.mu.Unlock() //nolint:staticcheck // nothing to do with it
	l.running.Wait()
	return nil
}
