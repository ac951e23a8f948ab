package faults

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// span is a time; to is zero while it lasts.
type span struct{ from, to time.Time }

// spans are the times at which something held, in order.
type spans []span

func (s spans) open() bool { return len(s) > 0 && s[len(s)-1].to.IsZero() }

func (s spans) set(holds bool, now time.Time) spans {
	switch {
	case holds && !s.open():
		return append(s, span{from: now})
	case !holds && s.open():
		s[len(s)-1].to = now
	}
	return s
}

// during says whether it held at some moment between two.
func (s spans) during(from, to time.Time) bool {
	return slices.ContainsFunc(s, func(one span) bool {
		return !one.from.After(to) && (one.to.IsZero() || one.to.After(from))
	})
}

// throughout says whether it held all the time between two.
func (s spans) throughout(from, to time.Time) bool {
	return slices.ContainsFunc(s, func(one span) bool {
		return !one.from.After(from) && (one.to.IsZero() || one.to.After(to))
	})
}

// places knows which namespaces there are and which of them want targets, and when
// that was so. It is safe for concurrent use.
type places struct {
	mu            sync.Mutex
	alive, wanted map[string]spans
}

func newPlaces() *places {
	return &places{alive: map[string]spans{}, wanted: map[string]spans{}}
}

// set tells what is so from now on. What begins is told before it is asked for, and
// what ends too: it may be so from then on.
func (p *places) set(namespace string, alive, wanted bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.alive[namespace] = p.alive[namespace].set(alive, now)
	p.wanted[namespace] = p.wanted[namespace].set(alive && wanted, now)
}

// living gives the namespaces that are there, in order.
func (p *places) living() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Sorted(maps.Keys(p.alive)), func(name string) bool { return !p.alive[name].open() })
}

// wants says whether a namespace wants targets now.
func (p *places) wants(namespace string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wanted[namespace].open()
}

// wantedDuring says whether a namespace wanted targets at some moment between two.
func (p *places) wantedDuring(namespace string, from, to time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wanted[namespace].during(from, to)
}

// wantedThroughout says whether it did so all the time.
func (p *places) wantedThroughout(namespace string, from, to time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wanted[namespace].throughout(from, to)
}

// aliveThroughout says whether a namespace was there all the time.
func (p *places) aliveThroughout(namespace string, from, to time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.alive[namespace].throughout(from, to)
}
