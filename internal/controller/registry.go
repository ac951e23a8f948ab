package controller

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/target"
)

// registry holds the revision in force of each bundle, and what is remembered
// between two builds. It is safe for concurrent use.
type registry struct {
	mu      sync.RWMutex
	last    uint64
	entries map[string]*entry
	// orphaned are Bundles that are gone and whose targets were to stay.
	orphaned map[string]bool
}

type entry struct {
	uid      types.UID
	builder  bundle.Builder
	revision *target.Revision
	number   uint64
	good     *good
	recalled *recalled
	// conflicts counts those in a row of writing the state.
	conflicts int
}

// good is what the revision in force was made of.
type good struct {
	spec    bundle.Spec
	content bundle.Bundle
	// recalled is what was remembered before, and state what is to be from then on.
	recalled *recalled
	state    bundle.State
	// excluded and ended are how many certificates were taken out of it since it was
	// built, because they are excluded or retained no longer.
	excluded, ended int
}

func newRegistry() *registry {
	return &registry{entries: map[string]*entry{}, orphaned: map[string]bool{}}
}

// current gives the revision in force of a bundle and its number, or nil.
func (r *registry) current(name string) (*target.Revision, uint64) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if e := r.entries[name]; e != nil {
		return e.revision, e.number
	}
	return nil, 0
}

// all gives the revisions in force, by bundle.
func (r *registry) all() map[string]*target.Revision {
	r.mu.RLock()
	defer r.mu.RUnlock()
	revisions := make(map[string]*target.Revision, len(r.entries))
	for name, e := range r.entries {
		if e.revision != nil {
			revisions[name] = e.revision
		}
	}
	return revisions
}

// builder gives the builder of a bundle. A Bundle that was made anew under its
// name starts afresh: a revision of the one before says nothing about it.
func (r *registry) builder(name string, uid types.UID) (b *bundle.Builder, afresh bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.orphaned, name)
	e := r.entries[name]
	afresh = e == nil || e.uid != uid
	if afresh {
		e = &entry{uid: uid}
		r.entries[name] = e
	}
	return &e.builder, afresh
}

// put brings a revision into force and gives its number.
func (r *registry) put(name string, revision *target.Revision) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	e := r.entries[name]
	e.revision, e.number = revision, r.last
	return r.last
}

// keep remembers what the revision in force was made of.
func (r *registry) keep(name string, made *good) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entries[name].good = made
}

// recall remembers what was read or written of a bundle's state.
func (r *registry) recall(name string, found *recalled) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.entries[name]; e != nil {
		e.recalled = found
	}
}

// outdated forgets the state that was read, since another writer was faster, and
// returns how many such conflicts there were in a row.
func (r *registry) outdated(name string) (conflicts int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries[name]
	if e == nil {
		return 0
	}
	e.recalled = nil
	e.conflicts++
	return e.conflicts
}

// saved records that the state is as it should be.
func (r *registry) saved(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.entries[name]; e != nil {
		e.conflicts = 0
	}
}

// recalled gives what was read or written of a bundle's state last, or nil.
func (r *registry) recalled(name string) *recalled {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if e := r.entries[name]; e != nil {
		return e.recalled
	}
	return nil
}

// lastGood gives what the revision in force was made of, or nil.
func (r *registry) lastGood(name string) *good {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if e := r.entries[name]; e != nil {
		return e.good
	}
	return nil
}

// drop forgets a bundle.
func (r *registry) drop(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.entries, name)
}

// orphan remembers that a Bundle is being deleted without its targets.
func (r *registry) orphan(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.orphaned[name] = true
}

// isOrphaned says whether the targets of a Bundle that is gone were to stay.
func (r *registry) isOrphaned(name string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.orphaned[name]
}
