package workqueue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"trust-manager.io/internal/workqueue/queuetest"
)

var errDenied = errors.New("denied")

// testKey is a key whose group is a namespace.
type testKey struct{ Name, Namespace string }

func key(name, namespace string) testKey { return testKey{name, namespace} }

// deadline is the deadline of the work in tests.
const deadline = 10 * time.Second

type testPool = Pool[testKey, string]

// newTestPool returns a pool and the recorder of its queue.
func newTestPool(workers int) (*testPool, *queuetest.Recorder[testKey]) {
	recorder := &queuetest.Recorder[testKey]{}
	return NewPool(From("test", recorder), Options[testKey, string]{
		Workers: workers, Group: func(k testKey) string { return k.Namespace }, Deadline: deadline, Clock: clock.RealClock{},
	}), recorder
}

// quiet returns the context of a test, with a logger that drops everything.
func quiet(t *testing.T) context.Context {
	t.Helper()
	return log.IntoContext(t.Context(), logr.Discard())
}

// takes returns work that takes a fixed time and ignores its context.
func takes(d time.Duration, err error) func(context.Context) error {
	return func(context.Context) error {
		time.Sleep(d)
		return err
	}
}

// failed marks a target as failed before.
func failed(t *testing.T, p *testPool, k testKey) {
	t.Helper()
	p.Run(quiet(t), k, takes(0, errDenied))
}

// Quick work has ended when run returns, and nothing is enqueued.
func TestPoolFastWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, recorder := newTestPool(1)
		begin := time.Now()
		var done bool
		p.Run(quiet(t), key("roots", "a"), func(context.Context) error {
			time.Sleep(minWait - time.Millisecond)
			done = true
			return nil
		})
		if took := time.Since(begin); !done || took != minWait-time.Millisecond {
			t.Errorf("done %t after %s", done, took)
		}
		if queued := recorder.Take(); len(queued) > 0 {
			t.Errorf("queued %v", queued)
		}
	})
}

// A worker waits for a target as long as the API server usually takes: if the API server
// is slow, requests do not pile up.
func TestPoolPatienceFollowsTheMeanTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, _ := newTestPool(1)
		for range 100 {
			p.Run(quiet(t), key("roots", "a"), takes(minWait-time.Millisecond, nil))
		}
		if got, least := p.workerTimeout(), 3*minWait; got < least {
			t.Errorf("patience is %s, want at least %s", got, least)
		}
		begin := time.Now()
		p.Run(quiet(t), key("roots", "a"), takes(2*minWait, nil))
		if took := time.Since(begin); took != 2*minWait {
			t.Errorf("the worker waited for %s of %s", took, 2*minWait)
		}
		before := p.workerTimeout()
		p.Run(quiet(t), key("roots", "b"), takes(time.Hour, errDenied))
		time.Sleep(time.Hour)
		if got := p.workerTimeout(); got != before {
			t.Errorf("a failure changes the patience from %s to %s", before, got)
		}
	})
}

// T8: a hanging target occupies its worker for a bounded time, and then continues
// detached.
func TestPoolHangingWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, recorder := newTestPool(1)
		begin := time.Now()
		var done atomic.Bool
		p.Run(quiet(t), key("roots", "a"), func(context.Context) error {
			time.Sleep(5 * time.Second)
			done.Store(true)
			return nil
		})
		if took := time.Since(begin); took != minWait || done.Load() {
			t.Errorf("the worker is held for %s, done %t", took, done.Load())
		}
		time.Sleep(5 * time.Second)
		if !done.Load() {
			t.Error("the work has not gone on")
		}
		if queued := recorder.Take(); len(queued) > 0 {
			t.Errorf("queued %v", queued)
		}
	})
}

// A key runs once at a time. If it is added while it runs detached, it runs again
// afterwards.
func TestPoolRunsAKeyOnceAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, recorder := newTestPool(2)
		k := key("roots", "a")
		p.Run(quiet(t), k, takes(3*time.Second, nil))
		var ran bool
		again := func(context.Context) error { ran = true; return nil }
		begin := time.Now()
		for range 3 {
			p.Run(quiet(t), k, again)
		}
		if ran || time.Since(begin) != 0 {
			t.Errorf("it ran twice at a time: %t, for %s", ran, time.Since(begin))
		}
		if queued := recorder.Take(); len(queued) > 0 {
			t.Errorf("queued too early: %v", queued)
		}
		time.Sleep(3 * time.Second)
		if diff := cmp.Diff([]queuetest.Added[testKey]{{Priority: HighPriority, After: 0, Key: k}}, recorder.Take()); diff != "" {
			t.Errorf("queued (-want +got):\n%s", diff)
		}
		p.Run(quiet(t), k, again)
		if !ran {
			t.Error("it does not run again")
		}
	})
}

// The same, even if the work ends at the same time as the worker's wait.
func TestPoolLosesNoKey(t *testing.T) {
	t.Parallel()
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			const workers = 40
			p, _ := newTestPool(workers)
			var group sync.WaitGroup
			for i := range workers {
				group.Go(func() {
					p.Run(quiet(t), key("roots", fmt.Sprint(i)), takes(minWait, nil))
				})
			}
			group.Wait()
			synctest.Wait()
			if len(p.detached) > 0 {
				t.Fatalf("%d keys count as running forever", len(p.detached))
			}
		})
	}
}

// Work that has ended is never detached.
func TestPoolDetachesNothingThatHasEnded(t *testing.T) {
	t.Parallel()
	p, _ := newTestPool(1)
	k, done := key("roots", "a"), make(chan struct{})
	p.finish(quiet(t), k, done, 0, nil)
	if p.detach(quiet(t), k, done); len(p.detached) > 0 {
		t.Error("the key counts as running forever")
	}
}

// The number of detached targets is bounded, since each holds a connection.
func TestPoolCapacity(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, _ := newTestPool(1)
		for i := range maxDetached {
			p.Run(quiet(t), key("roots", fmt.Sprint(i)), takes(8*time.Second, nil))
		}
		begin := time.Now()
		p.Run(quiet(t), key("roots", "one more"), takes(8*time.Second, nil))
		if took := time.Since(begin); took != 8*time.Second {
			t.Errorf("the worker is held for %s, want 8s", took)
		}
		begin = time.Now()
		least, most := minWait, 2*minWait // slow targets hardly increase it
		p.Run(quiet(t), key("roots", "later"), takes(8*time.Second, nil))
		if took := time.Since(begin); took < least || took > most {
			t.Errorf("with room again, the worker is held for %s, want %s to %s", took, least, most)
		}
		time.Sleep(8 * time.Second)
	})
}

// T8, R4: the work has its own deadline, and a stop does not cancel it.
func TestPoolBoundsTheWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, recorder := newTestPool(1)
		ctx, stop := context.WithCancel(quiet(t))
		k := key("roots", "a")
		ended := make(chan error, 1)
		p.Run(ctx, k, func(ctx context.Context) error {
			<-ctx.Done()
			ended <- ctx.Err()
			return ctx.Err()
		})
		stop()
		time.Sleep(time.Second)
		if len(ended) > 0 {
			t.Fatalf("the stop cut it short: %v", <-ended)
		}
		time.Sleep(deadline)
		if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it ended with %v", err)
		}
		if queued := recorder.Take(); len(queued) != 1 || queued[0].Key != k || queued[0].After == 0 {
			t.Errorf("queued %v", queued)
		}
	})
}
