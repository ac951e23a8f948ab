package localnode

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// pod is a rival in a test, and what became of its turn.
type contender struct {
	rival
	has bool
}

// compete runs a pod as a runner does until the context ends.
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
		t.giveBack(held)
	}
}

func TestOnePodOfADeploymentRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := newTurns()
		began := time.Now()
		start := func(workload, template string, arrival int, age time.Duration) (*contender, context.CancelFunc) {
			c := &contender{rival: rival{workload, template, began.Add(-age), arrival}}
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
		expect("the first pod, once the next has come", first, false)
		older, stopOlder := start("ns/a", "0", 5, 2*time.Hour)
		expect("an older pod that comes late", older, false)
		stopNext()
		expect("the next template, once stopped", next, false)
		if synctest.Wait(); first.has == replica.has || older.has {
			t.Errorf("once the next is gone: first %t, replica %t, older %t; want one of the first two", first.has, replica.has, older.has)
		}
		for _, stop := range []context.CancelFunc{stopFirst, stopOther, stopReplica, stopOlder} {
			stop()
		}
	})
}

func TestTakingATurnEndsWithTheContext(t *testing.T) {
	all := newTurns()
	mine := rival{workload: "ns/a", template: "1"}
	if _, err := all.take(t.Context(), mine); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := all.take(ctx, mine); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
