package bundle

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
)

// session is what this process knows of one Bundle, from one build to the next. It is
// used by the worker of that Bundle alone: a key has one worker at a time.
type session struct {
	uid     types.UID
	builder bundle.Builder
	// last is what the active revision was made of, or nil.
	last *build
	// record is the rotation state as it was read or written last, or nil.
	record *record
	// conflicts counts the conflicts in a row of writing the state.
	conflicts int
}

// build is what a revision was made of.
type build struct {
	spec    bundle.Spec
	content bundle.Bundle
	// record is the rotation state before the build, and state the one after it.
	record *record
	state  bundle.State
	// excluded and ended are how many certificates were removed since the bundle was
	// built, because they are excluded or no longer retained.
	excluded, ended int
}

// sessions has the session of each Bundle. It is safe for concurrent use; a session is
// not.
type sessions struct {
	mu sync.Mutex
	of map[string]*session
}

// get returns the session of a Bundle. A Bundle that was re-created under its name has a
// new one.
func (s *sessions) get(name string, uid types.UID) (current *session, isNew bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	current = s.of[name]
	if current != nil && current.uid == uid {
		return current, false
	}
	if s.of == nil {
		s.of = map[string]*session{}
	}
	current = &session{uid: uid}
	s.of[name] = current
	return current, true
}

func (s *sessions) delete(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.of, name)
}

// session returns the session of a Bundle. For a Bundle that is new to this process,
// everything is dropped that is known of an earlier one of its name.
func (r *Reconciler) session(obj *v1alpha1.Bundle) *session {
	r.revisions.ClearOrphaned(obj.Name)
	s, isNew := r.sessions.get(obj.Name, obj.UID)
	if isNew {
		r.revisions.Delete(obj.Name)
		r.ledger.Drop(obj.Name)
	}
	return s
}

// drop forgets a Bundle.
func (r *Reconciler) drop(name string) {
	r.sessions.delete(name)
	r.revisions.Delete(name)
	r.ledger.Drop(name)
}
