package target

import (
	"context"
	"errors"
	"testing"
	"time"

	"trust-manager.io/test/framework/fake"
)

// T7, T8: a target that people change now and then is repaired each time. One that another
// controller keeps reverting is repaired at a limited rate, and counts as in sync only
// after a quiet period.
func TestConflictLimiter(t *testing.T) {
	t.Parallel()
	c, now, a := newConflictLimiter(), fake.Start, fake.Key("roots", "a")
	for range maxRepairs {
		now = now.Add(time.Millisecond)
		if err := c.allow(a, now); err != nil {
			t.Fatal(err)
		}
	}
	if wait := c.quietFor(a, now); wait != 0 {
		t.Errorf("in sync, but watched for %s", wait)
	}
	if err := c.allow(a, now); !errors.Is(err, errContested) {
		t.Errorf("one repair too many: %v", err)
	}
	if err := c.allow(fake.Key("roots", "b"), now); err != nil {
		t.Errorf("another target: %v", err)
	}
	now = now.Add(repairInterval)
	if err := c.allow(a, now); err != nil {
		t.Errorf("after a pause: %v", err)
	}
	if wait := c.quietFor(a, now.Add(time.Second)); wait != quietPeriod-time.Second {
		t.Errorf("watched for %s, want %s", wait, quietPeriod-time.Second)
	}
	if wait := c.quietFor(a, now.Add(quietPeriod)); wait != 0 {
		t.Errorf("after calm it is watched for %s", wait)
	}
	if wait := c.quietFor(a, now.Add(quietPeriod+1)); wait != 0 || len(c.entries) != 2 {
		t.Errorf("watched for %s, remembered %v", wait, c.entries)
	}
	if c.quietFor(a, now.Add(maxRepairs*repairInterval+time.Second)); len(c.entries) != 1 {
		t.Errorf("never forgotten: %v", c.entries)
	}
	if c.forget(fake.Key("roots", "b")); len(c.entries) != 0 {
		t.Errorf("not forgotten: %v", c.entries)
	}
}

// T7: a contested target is retried soon after its next repair is allowed, however often it
// has failed, so that it is in sync within 20 s once it is left alone.
func TestContestedIsRetriedInTime(t *testing.T) {
	t.Parallel()
	x, w, _ := targetsOf(t, nil)
	k := fake.Key("roots", "a")
	for range maxRepairs {
		if err := x.conflicts.allow(k, w.time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	var delay time.Duration
	for range 20 {
		x.pool.Run(fake.Quiet(t), k, func(context.Context) error { return x.conflicts.allow(k, w.time.Now()) })
		queued := w.targetNotes.Take()
		delay = queued[len(queued)-1].After
	}
	if delay+quietPeriod >= 20*time.Second {
		t.Errorf("it is retried after %s, and then watched for %s", delay, quietPeriod)
	}
	if err := x.conflicts.allow(k, w.time.Now().Add(delay)); err != nil {
		t.Errorf("after the delay of %s: %v", delay, err)
	}
}
