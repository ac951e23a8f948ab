package localnode

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// contender is a rival in a test, and whether it holds the turn.
type contender struct {
	rival
	has bool
}

// compete takes and releases the turn like a runner until ctx ends.
func (c *contender) compete(ctx context.Context, t *turns) {
	for ctx.Err() == nil {
		held, err := t.take(ctx, c.rival)
		if err != nil {
			return
		}
		c.has = true
		select {
		case <-held.yield:
		case <-ctx.Done():
		}
		c.has = false
		t.release(held)
	}
}

func TestOnePodPerDeploymentRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := newTurns()
		now := time.Now()
		start := func(workload, template string, arrival int, age time.Duration) (*contender, context.CancelFunc) {
			c := &contender{rival: rival{workload, template, now.Add(-age), arrival}}
			ctx, stop := context.WithCancel(t.Context())
			go c.compete(ctx, all)
			synctest.Wait()
			return c, stop
		}
		expect := func(what string, c *contender, want bool) {
			t.Helper()
			synctest.Wait()
			if c.has != want {
				t.Errorf("%s runs: %t, want %t", what, c.has, want)
			}
		}
		first, stopFirst := start("ns/a", "1", 1, time.Hour)
		expect("the first pod", first, true)
		other, stopOther := start("ns/b", "1", 2, 0)
		expect("a pod of another Deployment", other, true)
		replica, stopReplica := start("ns/a", "1", 3, 0)
		expect("a second replica", replica, false)
		next, stopNext := start("ns/a", "2", 4, 0)
		expect("the next template", next, true)
		expect("the first pod, after the next template has arrived", first, false)
		older, stopOlder := start("ns/a", "0", 5, 2*time.Hour)
		expect("an older pod that arrives later", older, false)
		stopNext()
		expect("the next template, after it has been stopped", next, false)
		if synctest.Wait(); first.has == replica.has || older.has {
			t.Errorf("after the next template has stopped: first %t, replica %t, older %t; want one of the first two", first.has, replica.has, older.has)
		}
		for _, stop := range []context.CancelFunc{stopFirst, stopOther, stopReplica, stopOlder} {
			stop()
		}
	})
}

func TestTakeReturnsWhenContextEnds(t *testing.T) {
	all := newTurns()
	r := rival{workload: "ns/a", template: "1"}
	if _, err := all.take(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := all.take(ctx, r); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
