package revision

import (
	"sync"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/target"
)

// Store has the active revision of each bundle. Of two bundles of one name, which want the same
// objects, it has only that of the superior one, unless that has no target. It is safe for
// concurrent use.
type Store struct {
	mu      sync.RWMutex
	last    uint64
	entries map[bundle.ID]entry
	// orphaned are Bundles that were deleted without their targets.
	orphaned map[bundle.ID]bool
}

type entry struct {
	revision *target.Revision
	number   uint64
}

// New returns an empty Store.
func New() *Store {
	return &Store{entries: map[bundle.ID]entry{}, orphaned: map[bundle.ID]bool{}}
}

// Get returns the active revision of a bundle and its number, or nil and 0.
func (s *Store) Get(id bundle.ID) (*target.Revision, uint64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e := s.entries[id]
	return e.revision, e.number
}

// IsSuperseded reports whether a superior bundle is active instead of this one.
func (s *Store) IsSuperseded(id bundle.ID) bool {
	superior, ok := id.Superior()
	s.mu.RLock()
	defer s.mu.RUnlock()
	return ok && s.entries[superior].revision.HasTargets()
}

// All returns the active revisions, by bundle.
func (s *Store) All() map[bundle.ID]*target.Revision {
	s.mu.RLock()
	defer s.mu.RUnlock()
	revisions := make(map[bundle.ID]*target.Revision, len(s.entries))
	for id, e := range s.entries {
		revisions[id] = e.revision
	}
	return revisions
}

// Set activates a revision and returns its number. It removes the revision of the inferior
// bundle, whose targets the new one takes over. It returns 0 if a superior bundle is active.
func (s *Store) Set(id bundle.ID, revision *target.Revision) (number uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if superior, ok := id.Superior(); ok && s.entries[superior].revision.HasTargets() {
		return 0
	}
	if inferior, ok := id.Inferior(); ok && revision.HasTargets() {
		delete(s.entries, inferior)
	}
	s.last++
	s.entries[id] = entry{revision, s.last}
	return s.last
}

// Restore activates what was active before a Set, which may be nothing.
func (s *Store) Restore(id bundle.ID, revision *target.Revision) {
	if revision == nil {
		s.Delete(id)
		return
	}
	s.Set(id, revision)
}

// Delete removes the revision of a bundle.
func (s *Store) Delete(id bundle.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.entries, id)
}

// MarkOrphaned records that a Bundle is being deleted without its targets. The record
// outlives the Bundle.
func (s *Store) MarkOrphaned(id bundle.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.orphaned[id] = true
}

// ClearOrphaned removes that record: a Bundle of the name exists again.
func (s *Store) ClearOrphaned(id bundle.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.orphaned, id)
}

// IsOrphaned reports whether the targets of a deleted Bundle were to stay.
func (s *Store) IsOrphaned(id bundle.ID) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.orphaned[id]
}
