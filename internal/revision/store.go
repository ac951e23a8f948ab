// Package revision holds the active revision of each bundle, for the controllers.
//
// What always holds: a revision number is never used twice; a revision is never changed
// once it is stored.
package revision

import (
	"sync"

	"trust-manager.io/internal/target"
)

// Store has the active revision of each bundle, by the bundle's name. It is safe for
// concurrent use.
type Store struct {
	mu      sync.RWMutex
	last    uint64
	entries map[string]entry
	// orphaned are Bundles that were deleted without their targets.
	orphaned map[string]bool
}

type entry struct {
	revision *target.Revision
	number   uint64
}

// New returns an empty Store.
func New() *Store {
	return &Store{entries: map[string]entry{}, orphaned: map[string]bool{}}
}

// Get returns the active revision of a bundle and its number, or nil and 0.
func (s *Store) Get(name string) (*target.Revision, uint64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e := s.entries[name]
	return e.revision, e.number
}

// All returns the active revisions, by bundle.
func (s *Store) All() map[string]*target.Revision {
	s.mu.RLock()
	defer s.mu.RUnlock()
	revisions := make(map[string]*target.Revision, len(s.entries))
	for name, e := range s.entries {
		revisions[name] = e.revision
	}
	return revisions
}

// Set activates a revision and returns its number.
func (s *Store) Set(name string, revision *target.Revision) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	s.entries[name] = entry{revision, s.last}
	return s.last
}

// Restore activates what was active before a Set, which may be nothing.
func (s *Store) Restore(name string, revision *target.Revision) {
	if revision == nil {
		s.Delete(name)
		return
	}
	s.Set(name, revision)
}

// Delete removes the revision of a bundle.
func (s *Store) Delete(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.entries, name)
}

// MarkOrphaned records that a Bundle is being deleted without its targets. The record
// outlives the Bundle.
func (s *Store) MarkOrphaned(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.orphaned[name] = true
}

// ClearOrphaned removes that record: a Bundle of the name exists again.
func (s *Store) ClearOrphaned(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.orphaned, name)
}

// IsOrphaned reports whether the targets of a deleted Bundle were to stay.
func (s *Store) IsOrphaned(name string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.orphaned[name]
}
