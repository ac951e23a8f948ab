package writer

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/target"
)

// steps limits the decisions until a target is in sync: a read, a forced apply, a read
// and a write, and two more for a concurrent writer.
const steps = 6

// story is a sequence of events around one target, given as bytes: edits by other
// writers, changes of the desired state, and reconciliations by the operator. After each
// reconciliation the story checks the operator's promises (T4, T6, T7, T11).
type story struct {
	*testing.T
	key    target.Key
	server *server
	writer *Writer
	want   target.Desired
	shape  int
	orphan bool
	// memory is what the operator knows after its last write, or Unknown.
	memory target.Observed
	// editor is the field manager of the other writers.
	editor string
	// theirs are the foreign entries of the object, under names that the operator never
	// uses.
	theirs map[target.Field]string
	// claimed are entries under the operator's names that other managers have written
	// too, or that are not tracked; they may stay after a release.
	claimed map[target.Field]bool
	// known are the objects that this run of the operator has seen in sync, by UID, and
	// whether they were adopted. adopted tells it of the object as it is.
	known   map[string]bool
	adopted bool
	history []string
}

// shapes returns one of the shapes that a story uses.
func shapes(kind bundle.Kind, number int) *target.Shape {
	s := shape()
	switch number {
	case 1:
		s.Text = map[string]string{"new.pem": "PEM\n"}
		s.Binary = map[string][]byte{"new.jks": {0xfe, 0xed}}
		delete(s.Annotations, "note")
	case 2:
		s.Text = map[string]string{"ca.pem": "NEW\n"}
		s.Binary = map[string][]byte{"new.jks": {0xfe}, "new.p12": {}}
		s.Labels = map[string]string{bundleLabel: "roots", "team": "b", "app": "x"}
	}
	s.Digest = fmt.Sprintf("digest-%d", number)
	s.Annotations[hashKey] = s.Digest
	return of(kind, s)
}

func newStory(t *testing.T, kind bundle.Kind) *story {
	t.Helper()
	server := newServer(t, kind)
	want := wantedOf(kind)
	want.Shape = shapes(kind, 0)
	return &story{T: t, key: keyOf(kind), server: server, writer: server.writer(), want: want, editor: "kubectl",
		theirs: map[target.Field]string{}, claimed: map[target.Field]bool{}, known: map[string]bool{}}
}

// look decides and acts until the target is in sync or released, and checks the result.
func (s *story) look() {
	if s.server.live == nil || s.server.live.GetResourceVersion() != s.memory.ResourceVersion {
		s.memory = target.Observed{} // a watch event reports a change
	}
	s.lookFrom(s.memory)
}

// lookAtCache is look after a restart, when the cache has only objects with the label. If
// the operator may write by name only, it reads first.
func (s *story) lookAtCache() {
	s.memory = target.Observed{}
	if object := s.server.object(); !s.server.byName && (object == nil || object.Labels[bundleLabel] == "") {
		s.memory = target.Observed{State: target.Absent}
	}
	s.lookFrom(s.memory)
}

func (s *story) lookFrom(seen target.Observed) {
	before, alone := s.server.object(), s.server.interfere == nil
	s.adopted = false
	if before != nil {
		s.adopted, _ = s.isAdopted(before)
	}
	inSync := before != nil && s.decide(s.want.Shape != nil, before).Verb == target.NoOp
	for range steps {
		next, action := s.step(seen)
		if next == nil {
			s.forgetObject()
			if action.Verb == target.Refuse && alone && before.ResourceVersion != s.server.live.GetResourceVersion() {
				s.fatalf("T8: it was written all the same")
			}
			s.judge(action, before, inSync)
			if s.server.live != nil && len(s.server.live.GetManagedFields()) == 0 {
				maps.Copy(s.claimed, s.present()) // the operator writes to an untracked object too
			}
			return
		}
		seen = *next
	}
	s.fatalf("after %d steps it is still not in sync", steps)
}

// decide returns the decision about an object as if it had just been read.
func (s *story) decide(selected bool, object *stored) target.Action {
	want := s.want
	want.Selected = selected
	return target.Decide(s.key, want, s.observed(object.whole(s.key.Kind)))
}

// observed returns what the operator knows of an object that it has just read.
func (s *story) observed(object *target.Object) target.Observed {
	adopted, known := s.known[string(object.Meta.UID)]
	return target.Observed{State: target.Full, Object: object, Known: known, Holding: target.Holding{Adopted: adopted}}
}

// isAdopted reports whether an object existed before it became a target, and whether it is
// none yet (T4).
func (s *story) isAdopted(object *stored) (adopted, isNew bool) {
	before, known := s.known[string(object.UID)]
	isNew = !known && object.Labels[bundleLabel] != "roots" && !slices.ContainsFunc(object.OwnerReferences, isBundle)
	return isNew || before || slices.Contains([]string{"adopted", "adopted,orphan"}, object.Annotations[sharedKey]), isNew
}

// step decides and acts once, like the controller. next is nil at the end.
func (s *story) step(seen target.Observed) (next *target.Observed, action target.Action) {
	action = target.Decide(s.key, s.want, seen)
	s.history = append(s.history, fmt.Sprintf("  %s: %s", action.Verb, action.Reason))
	switch action.Verb {
	case target.NoOp:
		s.remember(action.UID, action.ResourceVersion, action.Holding)
		return nil, action
	case target.Skip:
		s.memory = target.Observed{}
		clear(s.known)
		return nil, action
	case target.Wait, target.Refuse:
		s.memory = target.Observed{}
		return nil, action
	case target.Read:
		return s.read(), action
	}
	written, err := s.writer.Write(s.Context(), action)
	switch {
	case apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err):
		return s.read(), action
	case apierrors.IsForbidden(err) && action.Verb == target.Create:
		next := s.read()
		next.ByName = true
		return next, action
	case err != nil:
		s.fatalf("%s: %v", action.Verb, err)
	case action.Verb == target.Apply || written.Mutated:
		return s.read(), action
	case action.Verb == target.Delete || !s.want.Selected:
		s.memory = target.Observed{}
		clear(s.known)
		return nil, action
	}
	s.adopted = s.adopted && action.Verb != target.Create
	s.remember(written.UID, written.ResourceVersion, action.Holding)
	return nil, action
}

func (s *story) remember(uid, resourceVersion string, holding target.Holding) {
	s.memory = target.Observed{State: target.Cached, UID: uid, ResourceVersion: resourceVersion, Holding: holding}
	s.known[uid] = holding.Adopted
}

func (s *story) read() *target.Observed {
	object, err := readObject(s.Context(), s.writer, s.key)
	switch {
	case err != nil:
		s.fatalf("reading: %v", err)
	case object == nil:
		s.adopted = false
		return &target.Observed{State: target.Absent}
	}
	s.adopted, _ = s.isAdopted(s.server.object())
	observed := s.observed(object)
	return &observed
}
