package bundle

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"trust-manager.io/internal/build"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/rotation/store"
)

// session is what this process knows of one Bundle, from one build to the next. It is
// used by the worker of that Bundle alone: a key has one worker at a time.
type session struct {
	uid      types.UID
	builder  *build.Builder
	rotation *store.Tracker
	// last is what the active revision was made of, or nil.
	last *activeBuild
}

// activeBuild is what the active revision was made of.
type activeBuild struct {
	build.Result
	// excluded and ended are how many certificates were removed since the bundle was
	// built, because they are excluded or no longer retained.
	excluded, ended int
}

// lastState returns the rotation state of the last good bundle, or nil.
func (s *session) lastState() *bundle.State {
	if s.last == nil {
		return nil
	}
	return &s.last.State
}

// sessions has the session of each bundle. It is safe for concurrent use; a session is
// not.
type sessions struct {
	mu sync.Mutex
	of map[bundle.ID]*session
}

// get returns the session of a Bundle with this UID, or nil.
func (s *sessions) get(id bundle.ID, uid types.UID) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	if current := s.of[id]; current != nil && current.uid == uid {
		return current
	}
	return nil
}

// put replaces the session of a bundle.
func (s *sessions) put(id bundle.ID, next *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = map[bundle.ID]*session{}
	}
	s.of[id] = next
}

func (s *sessions) delete(id bundle.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.of, id)
}

// session returns the session of a Bundle. For a Bundle that is new to this process, or
// was re-created under its name, everything is dropped that is known of an earlier one.
func (r *Reconciler) session(id bundle.ID, uid types.UID) *session {
	r.revisions.ClearOrphaned(id)
	current := r.sessions.get(id, uid)
	if current == nil {
		current = &session{uid: uid, builder: build.New(&r.builds), rotation: r.states.Track(id, uid)}
		r.sessions.put(id, current)
		r.revisions.Delete(id)
		r.ledger.Drop(id)
	}
	return current
}

// drop forgets a bundle.
func (r *Reconciler) drop(id bundle.ID) {
	r.sessions.delete(id)
	r.revisions.Delete(id)
	r.ledger.Drop(id)
}
