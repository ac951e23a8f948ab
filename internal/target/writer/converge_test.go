package writer

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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

// events are the possible events of a story.
var events = []struct {
	name  string
	event func(*story)
}{
	{"look", (*story).look},
	{"look", (*story).look},
	{"look", (*story).look},
	{"read and look", func(s *story) { s.memory = target.Observed{}; s.look() }},
	{"look at the cache", (*story).lookAtCache},
	{"want shape 0", func(s *story) { s.reshape(0) }},
	{"want shape 1", func(s *story) { s.reshape(1) }},
	{"want shape 2", func(s *story) { s.reshape(2) }},
	{"select", func(s *story) { s.want.Selected = true }},
	{"deselect", func(s *story) { s.want.Selected = false }},
	{"re-create the Bundle", func(s *story) { s.want.Owner.UID += "'" }},
	{"others add text", func(s *story) { s.add(text("theirs")) }},
	{"others add binary data", func(s *story) { s.add(binaryData("their.jks")) }},
	{"others add a label", func(s *story) { s.add(label("theirs")) }},
	{"others add an annotation", func(s *story) { s.add(annotation("theirs")) }},
	{"others add a finalizer", func(s *story) {
		s.edit(func(o *stored) { o.Finalizers = []string{"example.com/keep"} })
	}},
	{"others drop the finalizer", func(s *story) { s.edit(func(o *stored) { o.Finalizers = nil }) }},
	{"others add an owner", func(s *story) {
		s.edit(func(o *stored) { o.OwnerReferences = append(o.OwnerReferences, deployment(false)) })
	}},
	{"others drop all owners", func(s *story) { s.edit(func(o *stored) { o.OwnerReferences = nil }) }},
	{"others take control", func(s *story) {
		s.edit(func(o *stored) { o.OwnerReferences = []metav1.OwnerReference{deployment(true)} })
	}},
	{"an older Bundle owns it too", func(s *story) {
		s.edit(func(o *stored) {
			older := ownedBy("older-uid")
			older.Controller = nil
			o.OwnerReferences = append(o.OwnerReferences, older)
		})
	}},
	{"an older Bundle owns it", func(s *story) {
		s.edit(func(o *stored) { o.OwnerReferences = []metav1.OwnerReference{ownedBy("older-uid")} })
	}},
	{"others change the owner", func(s *story) {
		s.edit(func(o *stored) {
			for i := range o.OwnerReferences {
				o.OwnerReferences[i].BlockOwnerDeletion = nil
			}
		})
	}},
	{"others take their text out", func(s *story) { s.drop(text("theirs")) }},
	{"others take their label out", func(s *story) { s.drop(label("theirs")) }},
	{"others change the text", func(s *story) { s.write(text("ca.pem"), "other") }},
	{"others change the new text", func(s *story) { s.write(text("new.pem"), "other") }},
	{"others delete the text", func(s *story) { s.edit(func(o *stored) { delete(o.Data, "ca.pem") }) }},
	{"others move the text to binary data", func(s *story) {
		s.claimed[s.at(binaryData("ca.pem"))] = true
		s.edit(func(o *stored) { delete(o.Data, "ca.pem"); o.BinaryData["ca.pem"] = []byte("PEM\n") })
	}},
	{"others change a label", func(s *story) { s.write(label("team"), "z") }},
	{"others delete a label", func(s *story) { s.edit(func(o *stored) { delete(o.Labels, "team") }) }},
	{"others change the bundle label", func(s *story) { s.write(label(bundleLabel), "z") }},
	{"others delete the hash", func(s *story) { s.edit(func(o *stored) { delete(o.Annotations, hashKey) }) }},
	{"others mark it shared", func(s *story) { s.write(annotation(sharedKey), "true") }},
	{"others mark it adopted", func(s *story) { s.write(annotation(sharedKey), "adopted") }},
	{"others mark it to outlive", func(s *story) { s.write(annotation(sharedKey), "orphan") }},
	{"others drop all marks", func(s *story) {
		s.edit(func(o *stored) {
			o.Labels, o.Annotations, o.OwnerReferences = map[string]string{}, map[string]string{}, nil
		})
		for _, at := range []target.Field{label("theirs"), annotation("theirs"), annotation(adoptKey)} {
			delete(s.theirs, at)
		}
	}},
	{"others consent", (*story).consent},
	{"overwrite", func(s *story) { s.want.Overwrite = true }},
	{"do not overwrite", func(s *story) { s.want.Overwrite = false }},
	{"outlive the Bundle", func(s *story) { s.orphan = true; s.reshape(s.shape) }},
	{"do not outlive the Bundle", func(s *story) { s.orphan = false; s.reshape(s.shape) }},
	{"restart", func(s *story) { s.memory = target.Observed{}; clear(s.known) }},
	{"others claim a label by apply", (*story).claim},
	{"others clear managedFields", func(s *story) {
		s.edit(func(o *stored) { o.ManagedFields = []metav1.ManagedFieldsEntry{{}} })
		maps.Copy(s.claimed, s.present())
	}},
	{"others make it immutable", func(s *story) { s.edit(func(o *stored) { o.Immutable = new(true) }) }},
	{"others delete it", (*story).deleteIt},
	{"others edit under the operator's name", func(s *story) { s.editor = target.FieldManager }},
	{"others edit under their name", func(s *story) { s.editor = "kubectl" }},
	{"others write during the next write", func(s *story) {
		s.server.interfere = func() { s.add(label("theirs")) }
	}},
	{"others create or delete during the next write", func(s *story) {
		s.server.interfere = func() {
			if s.server.live != nil {
				s.deleteIt()
			} else {
				s.make(&stored{}, s.editor)
			}
		}
	}},
	{"others change the store", func(s *story) { s.write(s.at(binaryData("new.jks")), "other") }},
	{"others move the store to text", func(s *story) {
		s.claimed[text("new.jks")] = true
		s.edit(func(o *stored) { delete(o.BinaryData, "new.jks"); o.Data["new.jks"] = "text" })
	}},
	{"others make it with a type", func(s *story) {
		s.deleteIt()
		s.make(&stored{Type: corev1.SecretTypeBasicAuth, Data: map[string]string{"username": "theirs"}}, "kubectl")
		if s.present()[text("username")] {
			s.theirs[text("username")] = "theirs"
		}
	}},
	{"others make it with the text in it", func(s *story) {
		s.deleteIt()
		s.make(&stored{Data: map[string]string{"ca.pem": "other"}}, s.editor)
		s.claimed[text("ca.pem")] = true
	}},
	{"RBAC comes to name the objects", func(s *story) { s.server.byName = s.key.Kind == bundle.Secret }},
}

func (s *story) reshape(number int) {
	s.shape, s.want.Shape = number, shapes(s.key.Kind, number)
	if s.orphan {
		s.want.Shape.Orphan = true
		s.want.Shape.Digest += "-orphan"
		s.want.Shape.Annotations[hashKey] = s.want.Shape.Digest
		s.want.Shape.Annotations[sharedKey] = "orphan"
	}
}

// make creates the object as another writer, unless a finalizer keeps the previous one.
func (s *story) make(object *stored, manager string) {
	object.Name, object.Namespace = "roots", "team-a"
	if s.server.live != nil {
		return
	}
	if err := s.server.put(object, manager); err != nil {
		s.Fatal(err)
	}
}

// at returns the entry in an object of the story's kind: a Secret has one map of data.
func (s *story) at(entry target.Field) target.Field {
	if s.key.Kind == bundle.Secret && entry.Section == target.SectionBinaryData {
		entry.Section = target.SectionData
	}
	return entry
}

// edit changes the object as the current editor.
func (s *story) edit(change func(*stored)) {
	s.server.edit(s.editor, change)
	s.forgetObject() // its last finalizer may be gone
}

// write sets an entry under one of the operator's names.
func (s *story) write(at target.Field, value string) {
	s.claimed[at] = true
	s.edit(func(o *stored) { set(o, at, value) })
}

func set(o *stored, at target.Field, value string) {
	switch at.Section {
	case target.SectionData:
		o.Data[at.Key] = value
	case target.SectionBinaryData:
		o.BinaryData[at.Key] = []byte(value)
	case target.SectionLabels:
		o.Labels[at.Key] = value
	case target.SectionAnnotations:
		o.Annotations[at.Key] = value
	}
}

// add adds a foreign entry to the object. Under the operator's field manager it would be
// the operator's.
func (s *story) add(entry target.Field) {
	at := s.at(entry)
	s.server.edit("kubectl", func(o *stored) { set(o, at, "theirs") })
	if _, ok := s.present()[at]; ok {
		s.theirs[at] = "theirs"
	}
}

// consent lets the operator overwrite other content.
func (s *story) consent() {
	s.server.edit("kubectl", func(o *stored) { set(o, annotation(adoptKey), "true") })
	if s.present()[annotation(adoptKey)] {
		s.theirs[annotation(adoptKey)] = "true"
	}
}

// drop removes a foreign entry.
func (s *story) drop(at target.Field) {
	s.server.edit("kubectl", func(o *stored) {
		if at.Section == target.SectionData {
			delete(o.Data, at.Key)
		} else {
			delete(o.Labels, at.Key)
		}
	})
	if _, ok := s.present()[at]; !ok {
		delete(s.theirs, at)
	}
}

// claim makes another manager a co-owner of a label.
func (s *story) claim() {
	if s.server.live == nil {
		return
	}
	s.claimed[label("team")] = true
	body, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": s.key.Kind.String(),
		"metadata": map[string]any{"name": "roots", "namespace": "team-a", "labels": map[string]string{"team": "a"}}})
	if err != nil {
		s.Fatal(err)
	}
	if err := s.server.apply(body, "argocd", true); err != nil {
		s.Fatal(err)
	}
	maps.Copy(s.claimed, s.present()) // entries that were untracked before have no manager now
}

func (s *story) deleteIt() {
	if s.server.live == nil {
		return
	}
	if err := s.server.remove(nil); err != nil {
		s.Fatal(err)
	}
	s.forgetObject()
}

// forgetObject clears the expectations if the object no longer exists.
func (s *story) forgetObject() {
	if s.server.live == nil {
		s.theirs, s.claimed = map[target.Field]string{}, map[target.Field]bool{}
	}
}

// present returns the entries of the object.
func (s *story) present() map[target.Field]bool {
	entries := map[target.Field]bool{}
	if object := s.server.object(); object != nil {
		for at := range entriesOf(object.whole(s.key.Kind)) {
			entries[at] = true
		}
	}
	return entries
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
