package writer

import (
	"encoding/json"
	"maps"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/target"
)

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
