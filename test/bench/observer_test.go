package main

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestExpectation(t *testing.T) {
	t.Parallel()
	a, b := place{"roots", "a"}, place{"roots", "b"}
	start := time.Unix(1000, 0)
	exists := func(digest, version string, after time.Duration) sighting {
		return sighting{present: true, digest: digest, version: version, at: start.Add(after)}
	}
	for name, tc := range map[string]struct {
		what   func(sighting) func(sighting) bool
		before map[place]sighting
		seen   map[place][]sighting
		last   time.Duration
	}{
		"created":  {present, nil, map[place][]sighting{a: {exists("x", "1", 1)}, b: {exists("x", "2", 5)}}, 5},
		"replaced": {changed, map[place]sighting{a: exists("x", "1", 0), b: exists("x", "2", 0)}, map[place][]sighting{a: {exists("x", "3", 1), exists("y", "4", 2)}, b: {exists("y", "5", 1)}}, 2},
		"deleted":  {absent, map[place]sighting{a: exists("x", "1", 0)}, map[place][]sighting{a: {{at: start.Add(3)}}}, 3},
		"restored": {restored, map[place]sighting{a: exists("x", "1", 0), b: exists("x", "2", 0)},
			map[place][]sighting{a: {exists("tampered", "3", 1), exists("x", "4", 4)}, b: {{at: start.Add(1)}, exists("x", "6", 7)}}, 7},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := &observer{now: map[place]sighting{}, expected: map[*expectation]bool{}}
			for at, seen := range tc.before {
				o.note(at, seen)
			}
			e := o.expect([]place{a, b}, tc.what)
			for at, all := range tc.seen {
				if e.closed {
					t.Fatal("the expectation was met too early")
				}
				for _, seen := range all {
					o.note(at, seen)
				}
			}
			last, err := e.wait(t.Context())
			if err != nil || !last.Equal(start.Add(tc.last)) {
				t.Errorf("last at %s, %v; want %s after the start", last.Sub(start), err, tc.last)
			}
			if len(o.expected) > 0 {
				t.Error("the expectation was not removed")
			}
		})
	}
}

func TestExpectationFails(t *testing.T) {
	t.Parallel()
	o := &observer{now: map[place]sighting{}, expected: map[*expectation]bool{}}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := o.expect([]place{{"roots", "a"}}, present).wait(canceled); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the one of the context", err)
	}
	e := o.expect([]place{{"roots", "a"}}, present)
	broken := errors.New("broken")
	o.fail(broken)
	if _, err := e.wait(t.Context()); !errors.Is(err, broken) {
		t.Errorf("error %v, want the one of the watch", err)
	}
	if _, err := o.expect(nil, present).wait(t.Context()); !errors.Is(err, broken) {
		t.Errorf("error %v, want the one of the watch", err)
	}
}
