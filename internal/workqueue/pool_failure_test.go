package workqueue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"trust-manager.io/internal/workqueue/queuetest"
)

// T8: a target that fails is retried with backoff, which a success resets.
func TestPoolRetry(t *testing.T) {
	t.Parallel()
	p, recorder := newTestPool(4)
	k := key("roots", "a")
	between := func(least, most time.Duration) {
		t.Helper()
		queued := recorder.Take()
		if len(queued) != 1 || queued[0].Key != k || queued[0].Priority != LowPriority {
			t.Fatalf("queued %v", queued)
		}
		if after := queued[0].After; after <= least || after > most {
			t.Errorf("tried again after %s, want more than %s and at most %s", after, least, most)
		}
	}
	delay := 250 * time.Millisecond
	for range 12 {
		failed(t, p, k)
		between(delay*4/5, delay)
		delay = min(2*delay, 60*time.Second)
	}
	p.Run(quiet(t), k, takes(0, nil))
	if queued := recorder.Take(); len(queued) > 0 {
		t.Errorf("queued after a success: %v", queued)
	}
	if len(p.failures) > 0 {
		t.Errorf("failures remembered after a success: %v", p.failures)
	}
	failed(t, p, k)
	between(200*time.Millisecond, 250*time.Millisecond)
}

// The delay grows to at most 60 s, with jitter.
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
func TestPoolSharesWorkers(t *testing.T) {
	t.Parallel()
	for workers, share := range map[int]int{1: 1, 3: 1, 4: 1, 8: 2, 16: 4} {
		t.Run(fmt.Sprint(workers), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p, recorder := newTestPool(workers)
				for i := range share + 1 {
					failed(t, p, key("roots", fmt.Sprint(i)))
				}
				recorder.Take()
				var group sync.WaitGroup
				for i := range share {
					group.Go(func() { p.Run(quiet(t), key("roots", fmt.Sprint(i)), takes(100*time.Millisecond, errDenied)) })
				}
				synctest.Wait()
				last := key("roots", fmt.Sprint(share))
				var ran bool
				p.Run(quiet(t), last, func(context.Context) error { ran = true; return nil })
				if diff := cmp.Diff([]queuetest.Added[testKey]{{Priority: LowPriority, After: minBackoff, Key: last}}, recorder.Take()); ran || diff != "" {
					t.Errorf("one more ran: %t, queued (-want +got):\n%s", ran, diff)
				}
				p.Run(quiet(t), key("roots", "fresh"), func(context.Context) error { ran = true; return nil })
				if !ran {
					t.Error("one that has never failed has to wait")
				}
				group.Wait()
				ran = false
				p.Run(quiet(t), last, func(context.Context) error { ran = true; return nil })
				if !ran || p.retrying != 0 {
					t.Errorf("when all is done it ran: %t, retrying: %d", ran, p.retrying)
				}
			})
		})
	}
}

// T8: while one target of a namespace hangs, the others there wait instead of hanging,
// too; other namespaces are unaffected.
func TestPoolAvoidsAHangingNamespace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, recorder := newTestPool(2)
		p.Run(quiet(t), key("roots", "a"), takes(5*time.Second, nil))
		var ran []testKey
		try := func(k testKey) {
			p.Run(quiet(t), k, func(context.Context) error { ran = append(ran, k); return nil })
		}
		try(key("other", "a"))
		try(key("other", "b"))
		if diff := cmp.Diff([]testKey{key("other", "b")}, ran); diff != "" {
			t.Errorf("ran (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]queuetest.Added[testKey]{{Priority: LowPriority, After: minBackoff, Key: key("other", "a")}}, recorder.Take()); diff != "" {
			t.Errorf("queued (-want +got):\n%s", diff)
		}
		time.Sleep(5 * time.Second)
		try(key("other", "a"))
		if len(ran) != 2 || len(p.slowPerGroup) > 0 {
			t.Errorf("when it has ended: ran %v, hanging %v", ran, p.slowPerGroup)
		}
	})
}

// A failed target that hangs releases its share together with its worker.
func TestPoolHangingRetriesGiveTheirShareBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, _ := newTestPool(4)
		failed(t, p, key("roots", "a"))
		failed(t, p, key("roots", "b"))
		p.Run(quiet(t), key("roots", "a"), takes(5*time.Second, nil))
		var ran bool
		p.Run(quiet(t), key("roots", "b"), func(context.Context) error { ran = true; return nil })
		if !ran {
			t.Error("the other has to wait")
		}
		time.Sleep(5 * time.Second)
	})
}

// A failure and a new event while the target hangs: both enqueue it again.
func TestPoolFailureOfAReaddedKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, recorder := newTestPool(1)
		k := key("roots", "a")
		p.Run(quiet(t), k, takes(time.Second, errDenied))
		p.Run(quiet(t), k, takes(0, nil))
		time.Sleep(time.Second)
		queued := recorder.Take()
		if len(queued) != 2 || queued[0].After == 0 || queued[1] != (queuetest.Added[testKey]{Priority: HighPriority, After: 0, Key: k}) {
			t.Errorf("queued %v", queued)
		}
	})
}

// Design rule 9: a panic is a failure of only its target.
func TestPoolContainsAPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, recorder := newTestPool(1)
		p.Run(quiet(t), key("roots", "a"), func(context.Context) error { panic("broken") })
		if queued := recorder.Take(); len(queued) != 1 || queued[0].After == 0 {
			t.Errorf("queued %v", queued)
		}
		p.Run(quiet(t), key("roots", "b"), func(context.Context) error {
			time.Sleep(time.Second)
			panic("broken later")
		})
		time.Sleep(time.Second)
		if queued := recorder.Take(); len(queued) != 1 || queued[0].Key != key("roots", "b") {
			t.Errorf("queued %v", queued)
		}
		var ran bool
		p.Run(quiet(t), key("roots", "c"), func(context.Context) error { ran = true; return nil })
		if !ran || len(p.detached) > 0 {
			t.Errorf("another target ran: %t, detached: %v", ran, p.detached)
		}
	})
}

func TestGuard(t *testing.T) {
	t.Parallel()
	err := Guard(quiet(t), func(context.Context) error { panic("broken") })
	if err == nil || !strings.HasPrefix(err.Error(), "panic: broken\n") {
		t.Errorf("error %v", err)
	}
	if err := Guard(quiet(t), takes(0, errDenied)); !errors.Is(err, errDenied) {
		t.Errorf("error %v", err)
	}
	if err := Guard(quiet(t), takes(0, nil)); err != nil {
		t.Errorf("error %v", err)
	}
}

// R4: a stop waits for detached targets.
func TestPoolDrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, _ := newTestPool(1)
		ctx, stop := context.WithCancel(quiet(t))
		drained := make(chan time.Time, 1)
		go func() {
			if err := p.Drain(ctx); err != nil {
				t.Errorf("drain: %v", err)
			}
			drained <- time.Now()
		}()
		begin := time.Now()
		p.Run(ctx, key("roots", "a"), takes(3*time.Second, nil))
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

// R4: a write that begins during the stop is not detached either.
func TestPoolDoesNotDetachDuringAStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, _ := newTestPool(1)
		ctx, stop := context.WithCancel(quiet(t))
		stop()
		begin := time.Now()
		p.Run(ctx, key("roots", "a"), takes(3*time.Second, nil))
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("the worker left after %s, and nothing waits for the rest", took)
		}
		time.Sleep(3 * time.Second)
	})
}

// T8: in a rollout, targets that have failed before come last.
func TestPoolAddsFailedKeysLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, recorder := newTestPool(1)
		p.Run(quiet(t), key("roots", "failed"), takes(0, errDenied))
		recorder.Take()
		p.Enqueue(DefaultPriority, key("roots", "failed"), key("roots", "sound"))
		want := []queuetest.Added[testKey]{{Priority: DefaultPriority, After: 0, Key: key("roots", "sound")}, {Priority: LowPriority, After: 0, Key: key("roots", "failed")}}
		if diff := cmp.Diff(want, recorder.Take()); diff != "" {
			t.Errorf("queued (-want +got):\n%s", diff)
		}
	})
}

// T9: an error of RetrySoon is retried within half a second however often it came, and
// ahead of rollouts.
func TestPoolRetrySoon(t *testing.T) {
	t.Parallel()
	p, recorder := newTestPool(1)
	for range 12 {
		p.Run(quiet(t), key("roots", "a"), takes(0, fmt.Errorf("wrapped: %w", RetrySoon(errDenied))))
	}
	for _, added := range recorder.Take() {
		if added.Priority != HighPriority || added.After == 0 || added.After > soonBackoff {
			t.Errorf("queued %+v, want priority %d within %s", added, HighPriority, soonBackoff)
		}
	}
	failed(t, p, key("roots", "a"))
	if added := recorder.Take(); len(added) != 1 || added[0].After > minBackoff {
		t.Errorf("after another error, queued %+v, want the first delay", added)
	}
}

// T8: an error of RetryWithin is retried after at most its delay, however often it came.
func TestPoolRetryWithin(t *testing.T) {
	t.Parallel()
	const most = 10 * time.Second
	p, recorder := newTestPool(1)
	for range 12 {
		p.Run(quiet(t), key("roots", "a"), takes(0, fmt.Errorf("wrapped: %w", RetryWithin(most, errDenied))))
	}
	queued := recorder.Take()
	for _, added := range queued {
		if added.Priority != LowPriority || added.After > most {
			t.Errorf("queued %+v, want priority %d within %s", added, LowPriority, most)
		}
	}
	if last := queued[len(queued)-1].After; last < most*4/5 {
		t.Errorf("the last delay is %s, want about %s", last, most)
	}
	for _, short := range []time.Duration{-1, 0, 1, 4, 5} {
		p.Run(quiet(t), key("roots", "a"), takes(0, RetryWithin(short, errDenied)))
		if added := recorder.Take(); len(added) != 1 || added[0].After > short {
			t.Errorf("queued %+v, want within %s", added, short)
		}
	}
}
