package target

import (
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
	if again := repairInterval + quietPeriod; again >= 20*time.Second {
		t.Errorf("a target that is left alone is in sync again after %s", again)
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
