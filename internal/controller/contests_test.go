package controller

import (
	"errors"
	"testing"
	"time"

	"trust-manager.io/internal/target"
)

// T7, T8: a target that people change again and again is put right each time; one
// that somebody else keeps undoing is put right at a bounded rate, and is in
// order again only after some calm.
func TestContests(t *testing.T) {
	t.Parallel()
	c, now, a := newContests(), start, key("roots", "a")
	for range mostRepairs {
		now = now.Add(time.Millisecond)
		if err := c.allow(a, now); err != nil {
			t.Fatal(err)
		}
	}
	if wait := c.wait(a, now); wait != 0 {
		t.Errorf("in order, but watched for %s", wait)
	}
	if err := c.allow(a, now); !errors.Is(err, errContested) {
		t.Errorf("one repair too many: %v", err)
	}
	if err := c.allow(key("roots", "b"), now); err != nil {
		t.Errorf("another target: %v", err)
	}
	now = now.Add(repairPause + time.Second)
	if err := c.allow(a, now); err != nil {
		t.Errorf("after a pause: %v", err)
	}
	if wait := c.wait(a, now.Add(time.Second)); wait != calmAfter-time.Second {
		t.Errorf("watched for %s, want %s", wait, calmAfter-time.Second)
	}
	if wait := c.wait(a, now.Add(calmAfter)); wait != 0 {
		t.Errorf("after calm it is watched for %s", wait)
	}
	if wait := c.wait(a, now.Add(calmAfter+1)); wait != 0 || len(c.repair) != 2 {
		t.Errorf("watched for %s, remembered %v", wait, c.repair)
	}
	if c.wait(a, now.Add(mostRepairs*repairPause+time.Second)); len(c.repair) != 1 {
		t.Errorf("remembered for ever: %v", c.repair)
	}
	if c.forget(key("roots", "b")); len(c.repair) != 0 {
		t.Errorf("not forgotten: %v", c.repair)
	}
}

// What is a repair: a write that brings back what this process had in order.
func TestIsRepair(t *testing.T) {
	t.Parallel()
	m := newMemory()
	holding := target.Holding{Digest: "d", Owner: "o", Clean: true}
	m.learn(key("roots", "a"), "uid", "7", holding, start)
	for name, tc := range map[string]struct {
		action target.Action
		want   bool
	}{
		"a replacement":     {target.Action{Verb: target.Replace, Key: key("roots", "a"), Holding: target.Holding{Digest: "d", Owner: "o"}}, true},
		"a new bundle":      {target.Action{Verb: target.Replace, Key: key("roots", "a"), Holding: target.Holding{Digest: "e", Owner: "o"}}, false},
		"another owner":     {target.Action{Verb: target.Replace, Key: key("roots", "a"), Holding: target.Holding{Digest: "d", Owner: "p"}}, false},
		"never seen before": {target.Action{Verb: target.Create, Key: key("roots", "b"), Holding: holding}, false},
		"a release":         {target.Action{Verb: target.Delete, Key: key("roots", "a"), Holding: holding}, false},
	} {
		if got := m.isRepair(tc.action); got != tc.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
