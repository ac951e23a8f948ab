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
	began := time.Unix(1000, 0)
	there := func(digest, version string, after time.Duration) sighting {
		return sighting{present: true, digest: digest, version: version, at: began.Add(after)}
	}
	for name, tc := range map[string]struct {
		what   func(sighting) func(sighting) bool
		before map[place]sighting
		seen   map[place][]sighting
		last   time.Duration
	}{
		"made":     {present, nil, map[place][]sighting{a: {there("x", "1", 1)}, b: {there("x", "2", 5)}}, 5},
		"replaced": {changed, map[place]sighting{a: there("x", "1", 0), b: there("x", "2", 0)}, map[place][]sighting{a: {there("x", "3", 1), there("y", "4", 2)}, b: {there("y", "5", 1)}}, 2},
		"deleted":  {absent, map[place]sighting{a: there("x", "1", 0)}, map[place][]sighting{a: {{at: began.Add(3)}}}, 3},
		"restored": {restored, map[place]sighting{a: there("x", "1", 0), b: there("x", "2", 0)},
			map[place][]sighting{a: {there("tampered", "3", 1), there("x", "4", 4)}, b: {{at: began.Add(1)}, there("x", "6", 7)}}, 7},
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
					t.Fatal("it is over too early")
				}
				for _, seen := range all {
					o.note(at, seen)
				}
			}
			last, err := e.wait(t.Context())
			if err != nil || !last.Equal(began.Add(tc.last)) {
				t.Errorf("last at %s, %v; want %s after the beginning", last.Sub(began), err, tc.last)
			}
			if len(o.expected) > 0 {
				t.Error("it is expected still")
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
		t.Errorf("error %v, want that of the context", err)
	}
	e := o.expect([]place{{"roots", "a"}}, present)
	broken := errors.New("broken")
	o.fail(broken)
	if _, err := e.wait(t.Context()); !errors.Is(err, broken) {
		t.Errorf("error %v, want that of the watch", err)
	}
	if _, err := o.expect(nil, present).wait(t.Context()); !errors.Is(err, broken) {
		t.Errorf("error %v, want that of the watch", err)
	}
}
