package controller

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"

	"trust-manager.io/internal/target"
)

var errDenied = errors.New("denied")

// lanesOf gives lanes and what they put back into the queue.
func lanesOf(workers int) (*lanes, *notebook[target.Key]) {
	q, notes := noted[target.Key]()
	return newLanes(workers, q, clock.RealClock{}), notes
}

// takes is work that takes a time, whatever its context says.
func takes(d time.Duration, err error) func(context.Context) error {
	return func(context.Context) error {
		time.Sleep(d)
		return err
	}
}

// failed makes a target one that has failed before.
func (l *lanes) failed(t *testing.T, k target.Key) {
	t.Helper()
	l.run(quiet(t), k, takes(0, errDenied))
}

// Work that is done soon is done when run returns, and nothing is queued.
func TestLanesQuickWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, notes := lanesOf(1)
		begin := time.Now()
		var done bool
		l.run(quiet(t), key("roots", "a"), func(context.Context) error {
			time.Sleep(leastPatience - time.Millisecond)
			done = true
			return nil
		})
		if took := time.Since(begin); !done || took != leastPatience-time.Millisecond {
			t.Errorf("done %t after %s", done, took)
		}
		if queued := notes.take(); len(queued) > 0 {
			t.Errorf("queued %v", queued)
		}
	})
}

// A worker waits for a target as long as the API server usually takes: where that
// is slow as a whole, requests do not pile up.
func TestLanesPatienceFollowsTheUsualTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, _ := lanesOf(1)
		for range 100 {
			l.run(quiet(t), key("roots", "a"), takes(leastPatience-time.Millisecond, nil))
		}
		if got, least := l.patience(), 3*leastPatience; got < least {
			t.Errorf("patience is %s, want at least %s", got, least)
		}
		begin := time.Now()
		l.run(quiet(t), key("roots", "a"), takes(2*leastPatience, nil))
		if took := time.Since(begin); took != 2*leastPatience {
			t.Errorf("the worker waited for %s of %s", took, 2*leastPatience)
		}
		before := l.patience()
		l.run(quiet(t), key("roots", "b"), takes(time.Hour, errDenied))
		time.Sleep(time.Hour)
		if got := l.patience(); got != before {
			t.Errorf("a failure changes the patience from %s to %s", before, got)
		}
	})
}

// T8: a target that hangs holds its worker no longer than it may, and goes on.
func TestLanesHangingWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, notes := lanesOf(1)
		begin := time.Now()
		var done atomic.Bool
		l.run(quiet(t), key("roots", "a"), func(context.Context) error {
			time.Sleep(5 * time.Second)
			done.Store(true)
			return nil
		})
		if took := time.Since(begin); took != leastPatience || done.Load() {
			t.Errorf("the worker is held for %s, done %t", took, done.Load())
		}
		time.Sleep(5 * time.Second)
		if !done.Load() {
			t.Error("the work has not gone on")
		}
		if queued := notes.take(); len(queued) > 0 {
			t.Errorf("queued %v", queued)
		}
	})
}

// A key runs once at a time. Where it comes up while it goes on without a
// worker, it runs again afterwards.
func TestLanesRunAKeyOnceAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, notes := lanesOf(2)
		k := key("roots", "a")
		l.run(quiet(t), k, takes(3*time.Second, nil))
		var ran bool
		again := func(context.Context) error { ran = true; return nil }
		begin := time.Now()
		for range 3 {
			l.run(quiet(t), k, again)
		}
		if ran || time.Since(begin) != 0 {
			t.Errorf("it ran twice at a time: %t, for %s", ran, time.Since(begin))
		}
		if queued := notes.take(); len(queued) > 0 {
			t.Errorf("queued too early: %v", queued)
		}
		time.Sleep(3 * time.Second)
		if diff := cmp.Diff([]added[target.Key]{{urgent, 0, k}}, notes.take()); diff != "" {
			t.Errorf("queued (-want +got):\n%s", diff)
		}
		l.run(quiet(t), k, again)
		if !ran {
			t.Error("it does not run again")
		}
	})
}

// The same, however the end of the work and the end of patience fall together.
func TestLanesForgetNoKey(t *testing.T) {
	t.Parallel()
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			const workers = 40
			l, _ := lanesOf(workers)
			var group sync.WaitGroup
			for i := range workers {
				group.Go(func() {
					l.run(quiet(t), key("roots", fmt.Sprint(i)), takes(leastPatience, nil))
				})
			}
			group.Wait()
			synctest.Wait()
			if len(l.detached) > 0 {
				t.Fatalf("%d keys count as running for ever", len(l.detached))
			}
		})
	}
}

// Work that has ended is never taken for work that goes on.
func TestLanesDetachNothingThatHasEnded(t *testing.T) {
	t.Parallel()
	l, _ := lanesOf(1)
	k, done := key("roots", "a"), make(chan struct{})
	l.settle(quiet(t), k, done, 0, nil)
	if l.detach(quiet(t), k, done); len(l.detached) > 0 {
		t.Error("the key counts as running for ever")
	}
}

// Only so many targets go on without a worker: each holds a connection.
func TestLanesHaveSoMuchRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, _ := lanesOf(1)
		for i := range aside {
			l.run(quiet(t), key("roots", fmt.Sprint(i)), takes(8*time.Second, nil))
		}
		begin := time.Now()
		l.run(quiet(t), key("roots", "one more"), takes(8*time.Second, nil))
		if took := time.Since(begin); took != 8*time.Second {
			t.Errorf("the worker is held for %s, want 8s", took)
		}
		begin = time.Now()
		least, most := leastPatience, 2*leastPatience // slow targets hardly make it longer
		l.run(quiet(t), key("roots", "later"), takes(8*time.Second, nil))
		if took := time.Since(begin); took < least || took > most {
			t.Errorf("with room again, the worker is held for %s, want %s to %s", took, least, most)
		}
		time.Sleep(8 * time.Second)
	})
}

// T8, R4: the work has a deadline of its own, and no stop cuts it short.
func TestLanesBoundTheWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, notes := lanesOf(1)
		ctx, stop := context.WithCancel(quiet(t))
		k := key("roots", "a")
		ended := make(chan error, 1)
		l.run(ctx, k, func(ctx context.Context) error {
			<-ctx.Done()
			ended <- ctx.Err()
			return ctx.Err()
		})
		stop()
		time.Sleep(time.Second)
		if len(ended) > 0 {
			t.Fatalf("the stop cut it short: %v", <-ended)
		}
		time.Sleep(writeDeadline)
		if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it ended with %v", err)
		}
		if queued := notes.take(); len(queued) != 1 || queued[0].Request != k || queued[0].After == 0 {
			t.Errorf("queued %v", queued)
		}
	})
}

// T8: a target that fails is tried again with growing delays, and after a
// success from the beginning.
func TestLanesRetry(t *testing.T) {
	t.Parallel()
	l, notes := lanesOf(4)
	k := key("roots", "a")
	between := func(least, most time.Duration) {
		t.Helper()
		queued := notes.take()
		if len(queued) != 1 || queued[0].Request != k || queued[0].Priority != background {
			t.Fatalf("queued %v", queued)
		}
		if after := queued[0].After; after <= least || after > most {
			t.Errorf("tried again after %s, want more than %s and at most %s", after, least, most)
		}
	}
	delay := 250 * time.Millisecond
	for range 12 {
		l.failed(t, k)
		between(delay*4/5, delay)
		delay = min(2*delay, 60*time.Second)
	}
	l.run(quiet(t), k, takes(0, nil))
	if queued := notes.take(); len(queued) > 0 {
		t.Errorf("queued after a success: %v", queued)
	}
	if len(l.failures) > 0 {
		t.Errorf("failures remembered after a success: %v", l.failures)
	}
	l.failed(t, k)
	between(200*time.Millisecond, 250*time.Millisecond)
}

// The delay grows to 60 s and no further, and is not the same for all.
func TestBackoff(t *testing.T) {
	t.Parallel()
	seen := map[time.Duration]bool{}
	for failures := 1; failures < 1000; failures++ {
		delay := backoff(failures)
		most := 60 * time.Second
		if failures <= 8 {
			most = min(most, 250*time.Millisecond<<(failures-1))
		}
		if delay > most || delay <= most*4/5 {
			t.Errorf("after %d failures %s, want at most %s and more than four fifths of it", failures, delay, most)
		}
		seen[delay] = true
	}
	if len(seen) < 900 {
		t.Errorf("only %d different delays of 999", len(seen))
	}
}

// T8: targets that have failed hold at most a quarter of the workers, and at
// least one.
func TestLanesLeaveWorkersToOthers(t *testing.T) {
	t.Parallel()
	for workers, share := range map[int]int{1: 1, 3: 1, 4: 1, 8: 2, 16: 4} {
		t.Run(fmt.Sprint(workers), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l, notes := lanesOf(workers)
				for i := range share + 1 {
					l.failed(t, key("roots", fmt.Sprint(i)))
				}
				notes.take()
				var group sync.WaitGroup
				for i := range share {
					group.Go(func() { l.run(quiet(t), key("roots", fmt.Sprint(i)), takes(100*time.Millisecond, errDenied)) })
				}
				synctest.Wait()
				last := key("roots", fmt.Sprint(share))
				var ran bool
				l.run(quiet(t), last, func(context.Context) error { ran = true; return nil })
				if diff := cmp.Diff([]added[target.Key]{{background, firstRetry, last}}, notes.take()); ran || diff != "" {
					t.Errorf("one more ran: %t, queued (-want +got):\n%s", ran, diff)
				}
				l.run(quiet(t), key("roots", "fresh"), func(context.Context) error { ran = true; return nil })
				if !ran {
					t.Error("one that has never failed has to wait")
				}
				group.Wait()
				ran = false
				l.run(quiet(t), last, func(context.Context) error { ran = true; return nil })
				if !ran || l.retrying != 0 {
					t.Errorf("when all is done it ran: %t, retrying: %d", ran, l.retrying)
				}
			})
		})
	}
}

// T8: while one target of a namespace hangs, the others there wait their turn
// rather than hang too; other namespaces are not concerned.
func TestLanesKeepOutOfAHangingNamespace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, notes := lanesOf(2)
		l.run(quiet(t), key("roots", "a"), takes(5*time.Second, nil))
		var ran []target.Key
		try := func(k target.Key) {
			l.run(quiet(t), k, func(context.Context) error { ran = append(ran, k); return nil })
		}
		try(key("other", "a"))
		try(key("other", "b"))
		if diff := cmp.Diff([]target.Key{key("other", "b")}, ran); diff != "" {
			t.Errorf("ran (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]added[target.Key]{{background, firstRetry, key("other", "a")}}, notes.take()); diff != "" {
			t.Errorf("queued (-want +got):\n%s", diff)
		}
		time.Sleep(5 * time.Second)
		try(key("other", "a"))
		if len(ran) != 2 || len(l.hanging) > 0 {
			t.Errorf("when it has ended: ran %v, hanging %v", ran, l.hanging)
		}
	})
}

// A failed target that hangs gives its share back with its worker.
func TestLanesHangingRetriesGiveTheirShareBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, _ := lanesOf(4)
		l.failed(t, key("roots", "a"))
		l.failed(t, key("roots", "b"))
		l.run(quiet(t), key("roots", "a"), takes(5*time.Second, nil))
		var ran bool
		l.run(quiet(t), key("roots", "b"), func(context.Context) error { ran = true; return nil })
		if !ran {
			t.Error("the other has to wait")
		}
		time.Sleep(5 * time.Second)
	})
}

// A failure and a new event while the target hung: both bring it up again.
func TestLanesFailureWhileItCameUpAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, notes := lanesOf(1)
		k := key("roots", "a")
		l.run(quiet(t), k, takes(time.Second, errDenied))
		l.run(quiet(t), k, takes(0, nil))
		time.Sleep(time.Second)
		queued := notes.take()
		if len(queued) != 2 || queued[0].After == 0 || queued[1] != (added[target.Key]{urgent, 0, k}) {
			t.Errorf("queued %v", queued)
		}
	})
}

// Design rule 9: a panic is a failure of its one target.
func TestLanesContainAPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, notes := lanesOf(1)
		l.run(quiet(t), key("roots", "a"), func(context.Context) error { panic("broken") })
		if queued := notes.take(); len(queued) != 1 || queued[0].After == 0 {
			t.Errorf("queued %v", queued)
		}
		l.run(quiet(t), key("roots", "b"), func(context.Context) error {
			time.Sleep(time.Second)
			panic("broken later")
		})
		time.Sleep(time.Second)
		if queued := notes.take(); len(queued) != 1 || queued[0].Request != key("roots", "b") {
			t.Errorf("queued %v", queued)
		}
		var ran bool
		l.run(quiet(t), key("roots", "c"), func(context.Context) error { ran = true; return nil })
		if !ran || len(l.detached) > 0 {
			t.Errorf("another target ran: %t, detached: %v", ran, l.detached)
		}
	})
}

func TestGuarded(t *testing.T) {
	t.Parallel()
	err := guarded(quiet(t), func(context.Context) error { panic("broken") })
	if err == nil || explain(err) != "panic: broken" {
		t.Errorf("error %v", err)
	}
	if err := guarded(quiet(t), takes(0, errDenied)); !errors.Is(err, errDenied) {
		t.Errorf("error %v", err)
	}
	if err := guarded(quiet(t), takes(0, nil)); err != nil {
		t.Errorf("error %v", err)
	}
}

// R4: a stop waits for the targets that go on without a worker.
func TestLanesDrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, _ := lanesOf(1)
		ctx, stop := context.WithCancel(quiet(t))
		drained := make(chan time.Time, 1)
		go func() {
			if err := l.drain(ctx); err != nil {
				t.Errorf("drain: %v", err)
			}
			drained <- time.Now()
		}()
		begin := time.Now()
		l.run(ctx, key("roots", "a"), takes(3*time.Second, nil))
		select {
		case <-drained:
			t.Error("drained before the stop")
		default:
		}
		stop()
		if took := (<-drained).Sub(begin); took != 3*time.Second {
			t.Errorf("drained after %s, want 3s", took)
		}
	})
}

// R4: a write that begins during the stop is not left to itself either.
func TestLanesDoNotDetachDuringAStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, _ := lanesOf(1)
		ctx, stop := context.WithCancel(quiet(t))
		stop()
		begin := time.Now()
		l.run(ctx, key("roots", "a"), takes(3*time.Second, nil))
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("the worker left after %s, and nobody waits for the rest", took)
		}
		time.Sleep(3 * time.Second)
	})
}

// T8: in a roll-out, targets that have failed before come last.
func TestLanesAddFailedTargetsLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, notes := lanesOf(1)
		l.run(quiet(t), key("roots", "failed"), takes(0, errDenied))
		notes.take()
		l.add(bulk, key("roots", "failed"), key("roots", "sound"))
		want := []added[target.Key]{{bulk, 0, key("roots", "sound")}, {background, 0, key("roots", "failed")}}
		if diff := cmp.Diff(want, notes.take()); diff != "" {
			t.Errorf("queued (-want +got):\n%s", diff)
		}
	})
}
