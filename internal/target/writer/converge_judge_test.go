package writer

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/target"
)

// judge checks the object after the operator's last action.
func (s *story) judge(last target.Action, before *stored, inSync bool) {
	present := map[target.Field]string{}
	object := s.server.object()
	if object != nil {
		present = entriesOf(object.whole(s.key.Kind))
	}
	for at, value := range s.theirs {
		if present[at] != value {
			s.fatalf("T6: the foreign entry %v is lost", at)
		}
	}
	switch {
	case last.Verb == target.Refuse:
		controlled := isForeignControlled(object.whole(s.key.Kind))
		if !controlled && !s.conflicts(object) && (object.Immutable == nil || !*object.Immutable) {
			s.fatalf("refused without a reason")
		}
	case last.Verb == target.Wait:
		if object.DeletionTimestamp == nil {
			s.fatalf("waits for an object that is not being deleted")
		}
	case s.want.Selected:
		s.judgeWanted(object, present)
	case inSync && before.DeletionTimestamp == nil:
		s.judgeReleased(object, present)
	}
}

// judgeWanted checks an object that has been repaired.
func (s *story) judgeWanted(object *stored, present map[target.Field]string) {
	if object == nil {
		s.fatalf("T7: there is no object")
	}
	if action := s.decide(true, object); action.Verb != target.NoOp {
		s.fatalf("T11: the next look would %s, because %s", action.Verb, action.Reason)
	}
	wanted := entriesOfShape(s.want.Shape)
	delete(wanted, annotation(sharedKey)) // an adopted object has another value
	var foreignData bool
	for at := range present {
		_, ok := wanted[at]
		if !ok && !s.claimed[at] && s.theirs[at] == "" && at != annotation(sharedKey) {
			s.fatalf("the stale entry %v stays", at)
		}
		foreignData = foreignData || !ok && (at.Section == target.SectionData || at.Section == target.SectionBinaryData)
	}
	for at, value := range wanted {
		if present[at] != value {
			s.fatalf("T7: %v is %q, want %q", at, present[at], value)
		}
	}
	var bundles []metav1.OwnerReference
	for _, owner := range object.OwnerReferences {
		if isBundle(owner) {
			bundles = append(bundles, owner)
		}
	}
	want := ""
	switch {
	case s.adopted && s.orphan:
		want = "adopted,orphan"
	case s.adopted:
		want = "adopted"
	case s.orphan:
		want = "orphan"
	case foreignData:
		want = "true"
	}
	switch mark := present[annotation(sharedKey)]; {
	case mark != want:
		s.fatalf("T4: the mark is %q, want %q", mark, want)
	case mark != "" && len(bundles) > 0:
		s.fatalf("T4: the mark is %q, but owned by %v", mark, bundles)
	case mark == "" && (len(bundles) != 1 || !apiequality.Semantic.DeepEqual(bundles[0], s.want.Owner)):
		s.fatalf("T4: no mark, but owned by %v", bundles)
	}
}

// conflicts reports whether an object is no target yet and has content that a user has not
// consented to lose (T5).
func (s *story) conflicts(object *stored) bool {
	present := entriesOf(object.whole(s.key.Kind))
	if _, isNew := s.isAdopted(object); !isNew || s.want.Overwrite || present[annotation(adoptKey)] == "true" {
		return false
	}
	for at, value := range entriesOfShape(s.want.Shape) {
		for _, form := range []target.Field{at, {Section: target.SectionBinaryData, Key: at.Key}, {Section: target.SectionData, Key: at.Key}} {
			isData := at.Section == target.SectionData || at.Section == target.SectionBinaryData
			if content := present[form]; isData && content != "" && content != value {
				return true
			}
		}
	}
	return false
}

// judgeReleased checks the remainder of an object that was in sync before its release.
func (s *story) judgeReleased(object *stored, present map[target.Field]string) {
	if object == nil || object.DeletionTimestamp != nil {
		return
	}
	ours := entriesOfShape(s.want.Shape)
	for at := range present {
		if _, ok := ours[at]; isReserved(at) || ok && !s.claimed[at] {
			s.fatalf("T6: %v is left behind", at)
		}
	}
	for _, owner := range object.OwnerReferences {
		if isBundle(owner) {
			s.fatalf("T6: the owner %v is left behind", owner)
		}
	}
	if !s.adopted && len(present) == 0 && len(object.OwnerReferences) == 0 && len(object.Finalizers) == 0 && !object.whole(s.key.Kind).Typed {
		s.fatalf("T6: an empty object is left behind")
	}
}

func (s *story) fatalf(format string, args ...any) {
	s.Helper()
	for _, line := range s.history {
		s.Log(line)
	}
	if object := s.server.object(); object != nil {
		text, _ := json.MarshalIndent(object, "", " ")
		s.Logf("%s", text)
	}
	s.Fatalf(format, args...)
}

// play runs a story. At its end the target is reconciled and released.
func play(t *testing.T, kind bundle.Kind, course []byte) {
	t.Helper()
	s := newStory(t, kind)
	for _, b := range course {
		event := events[int(b)%len(events)]
		s.history = append(s.history, event.name)
		event.event(s)
	}
	s.history = append(s.history, "at the end: select, look, deselect, look")
	s.want.Selected = true
	s.look()
	s.want.Selected = false
	s.look()
}

// Whatever other writers do, the target is in sync after a few steps, no foreign entry is
// lost, and no entry of the operator stays after a release.
func TestConvergence(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			const stories, length = 200, 40
			random := rand.New(rand.NewPCG(1, 2))
			for range stories {
				course := make([]byte, random.IntN(length))
				for i := range course {
					course[i] = byte(random.IntN(len(events)))
				}
				play(t, kind, course)
			}
		})
	}
}

func FuzzConvergence(f *testing.F) {
	for i := range events {
		f.Add([]byte{0, byte(i), 0, byte(i), 5, 0})
	}
	f.Fuzz(func(t *testing.T, course []byte) {
		if len(course) > 100 {
			t.Skip("longer than any story needs to be")
		}
		for _, kind := range kinds {
			play(t, kind, course)
		}
	})
}
