package target

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
)

// stranger returns an object that existed before it became a target, with these text
// values, and with changes.
func stranger(values map[string]string, changes ...func(*Object)) *Object {
	o := &Object{
		Kind: bundle.ConfigMap,
		Meta: metav1.ObjectMeta{
			Name: "roots", Namespace: "team-a", UID: objectUID, ResourceVersion: version,
			Labels: map[string]string{}, Annotations: map[string]string{},
			ManagedFields: []metav1.ManagedFieldsEntry{managed("kubectl", metav1.ManagedFieldsOperationUpdate, `{"f:data":{"f:ca.pem":{},"f:theirs":{}}}`)},
		},
		Text: values, Binary: map[string][]byte{},
	}
	for _, change := range changes {
		change(o)
	}
	return o
}

// adopted marks an object as one that existed before.
func adopted(o *Object) { mark(bundle.AdoptedMark)(o) }

// mark sets the mark of an object, which then has no owner.
func mark(as bundle.Mark) func(*Object) {
	return func(o *Object) {
		withAnnotation(sharedKey, string(as))(o)
		withOwners()(o)
	}
}

// outliving returns a desired state whose targets outlive the Bundle.
func outliving() Desired {
	want := wanted()
	want.Shape.Orphan = true
	want.Shape.Annotations[sharedKey] = "orphan"
	return want
}

// heldBy returns the Holding of a target with a mark.
func heldBy(mark bundle.Mark, clean bool) Holding {
	holding := held(clean)
	holding.Adopted = mark.IsAdopted()
	if mark.IsOrphan() {
		holding.Owner = ""
	}
	return holding
}

// adoption is the patch by which an object becomes a target.
func adoption(mark bundle.Mark, more ...Field) Action {
	set := map[Field]string{
		text("ca.pem"): "PEM\n", label(bundleLabel): "roots", label("team"): "a",
		annotation(hashKey): "digest", annotation("note"): "b", annotation(sharedKey): string(mark),
	}
	for _, unchanged := range more {
		delete(set, unchanged)
	}
	return Action{Verb: Patch, UID: objectUID, ResourceVersion: version, RequireLiveBundle: true, Changes: Changes{Set: set}, Holding: heldBy(mark, false)}
}

// T4, T5: an object that existed before becomes a target only if nothing of it is lost, or
// if a user has consented to that.
func TestDecideAdoption(t *testing.T) {
	t.Parallel()
	refused := Action{Verb: Refuse, UID: objectUID, ResourceVersion: version, Holding: heldBy(bundle.AdoptedMark, false)}
	consented := withAnnotation(v1alpha1.AdoptAnnotationKey, "true")
	overwriting := wanted()
	overwriting.Overwrite = true
	other := map[string]string{"ca.pem": "other"}
	for name, tc := range map[string]struct {
		want   Desired
		object *Object
		action Action
	}{
		"other keys":                          {wanted(), stranger(map[string]string{"theirs": "x"}), adoption(bundle.AdoptedMark)},
		"no keys":                             {wanted(), stranger(nil), adoption(bundle.AdoptedMark)},
		"the same content":                    {wanted(), stranger(map[string]string{"ca.pem": "PEM\n"}), adoption(bundle.AdoptedMark, text("ca.pem"))},
		"no content under the key":            {wanted(), stranger(map[string]string{"ca.pem": ""}), adoption(bundle.AdoptedMark)},
		"other content":                       {wanted(), stranger(other), refused},
		"other content in the other form":     {wanted(), stranger(nil, withBinary("ca.pem", "other")), refused},
		"other content, taken back":           {wanted(), stranger(other, withAnnotation(hashKey, "digest"), withAnnotation(sharedKey, "adopted,orphan")), refused},
		"other content, immutable":            {wanted(), stranger(other, immutable), refused},
		"other content, the operator's own":   {wanted(), stranger(other, tracked(managed(FieldManager, metav1.ManagedFieldsOperationUpdate, `{"f:data":{"f:ca.pem":{}}}`))), adoption(bundle.AdoptedMark)},
		"other content, overwrite":            {overwriting, stranger(other), adoption(bundle.AdoptedMark)},
		"other content, the user's consent":   {wanted(), stranger(other, consented), adoption(bundle.AdoptedMark)},
		"other content, another annotation":   {wanted(), stranger(other, withAnnotation(v1alpha1.AdoptAnnotationKey, "yes")), refused},
		"other content, targets outlive":      {outliving(), stranger(other, consented), adoption(bundle.AdoptedOrphanMark)},
		"T12 being deleted":                   {wanted(), stranger(other, deleting), Action{Verb: Wait, UID: objectUID, ResourceVersion: version, Holding: heldBy(bundle.AdoptedMark, false)}},
		"managedFields cleared":               {wanted(), stranger(nil, tracked()), applied(bundle.AdoptedMark)},
		"managedFields cleared, both reasons": {outliving(), stranger(nil, tracked()), applied(bundle.AdoptedOrphanMark)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, tc.want, Observed{State: Full, Object: tc.object}, tc.action)
		})
	}
}

// applied is the apply by which an untracked object becomes a target.
func applied(mark bundle.Mark) Action {
	return Action{
		Verb: Apply, UID: objectUID, ResourceVersion: version, RequireLiveBundle: true, Holding: heldBy(mark, false),
		Changes: Changes{Set: map[Field]string{annotation(sharedKey): string(mark)}},
	}
}

// T4: the mark is in the same request as the label. Otherwise an object would look like
// the operator's own if the operator ended in between.
func TestApplyMarksAdoption(t *testing.T) {
	t.Parallel()
	action := Decide(roots, wanted(), Observed{State: Full, Object: stranger(nil, tracked())})
	body, err := action.ApplyBody(TypeOf(action.Key.Kind).GVK.GroupVersion())
	if err != nil {
		t.Fatal(err)
	}
	var object metav1.PartialObjectMetadata
	if err := json.Unmarshal(body, &object); err != nil {
		t.Fatal(err)
	}
	if object.Labels[bundleLabel] != "roots" || object.Annotations[sharedKey] != "adopted" || object.Annotations[hashKey] != "digest" {
		t.Errorf("sends the labels %v and the annotations %v", object.Labels, object.Annotations)
	}
	if _, changed := wanted().Shape.Annotations[sharedKey]; changed {
		t.Error("the shape has changed")
	}
}

// T4, T7: whatever shows that an object was a target before, it is repaired, not adopted.
func TestDecideRecognizesItsOwn(t *testing.T) {
	t.Parallel()
	other := map[string]string{"ca.pem": "other"}
	for name, seen := range map[string]Observed{
		"label":                   {Object: stranger(other, withLabel(bundleLabel, "roots"))},
		"owner of any UID":        {Object: stranger(other, withOwners(ownedBy("older-uid")))},
		"seen in sync before":     {Object: stranger(other), Known: true, Holding: held(true)},
		"label, marked as orphan": {Object: stranger(other, withLabel(bundleLabel, "roots"), withAnnotation(sharedKey, "orphan"))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen.State = Full
			if got := Decide(roots, wanted(), seen); got.Verb != Replace || got.Holding != held(true) {
				t.Errorf("%s, because %s; then %+v", got.Verb, got.Reason, got.Holding)
			}
		})
	}
	for name, seen := range map[string]Observed{
		"marked":              {Object: stranger(other, adopted, withLabel(bundleLabel, "roots"))},
		"marked, and owned":   {Object: stranger(other, withAnnotation(sharedKey, "adopted"), withOwners(ownedBy(bundleUID)))},
		"seen adopted before": {Object: stranger(other), Known: true, Holding: heldBy(bundle.AdoptedMark, false)},
	} {
		t.Run("adopted before, "+name, func(t *testing.T) {
			t.Parallel()
			seen.State = Full
			got := Decide(roots, wanted(), seen)
			if got.Verb != Patch || !got.Holding.Adopted || got.Changes.SetOwner != nil {
				t.Errorf("%s, because %s; then %+v, with the owner %v", got.Verb, got.Reason, got.Holding, got.Changes.SetOwner)
			}
		})
	}
}

// T4, T15: an adopted object is never deleted, only stripped, and a target that outlives
// its Bundle keeps everything when that is deleted.
func TestDecideReleaseByMark(t *testing.T) {
	t.Parallel()
	stripped := func(more ...Field) Action {
		return Action{Verb: Patch, UID: objectUID, ResourceVersion: version, Changes: Changes{Drop: oursDropped(append(more, annotation(sharedKey))...)}}
	}
	erased := Action{Verb: Delete, UID: objectUID, ResourceVersion: version}
	skipped := Action{Verb: Skip, UID: objectUID, ResourceVersion: version}
	for name, tc := range map[string]struct {
		object           *Object
		deselected, gone Action
	}{
		"adopted":                   {object(adopted), stripped(), confirmed(stripped())},
		"adopted, foreign data":     {object(adopted, withText("theirs", "x")), stripped(), confirmed(stripped())},
		"adopted, and to outlive":   {object(mark(bundle.AdoptedOrphanMark)), stripped(), skipped},
		"to outlive":                {object(mark(bundle.OrphanMark)), erased, skipped},
		"to outlive, foreign data":  {object(mark(bundle.OrphanMark), withText("theirs", "x")), stripped(), skipped},
		"an unknown mark, no owner": {object(mark("orphaned")), skipped, skipped},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := Observed{State: Full, Object: tc.object}
			check(t, deselected(), seen, tc.deselected)
			check(t, bundleDeleted(), seen, tc.gone)
		})
	}
}

// T15: a target that outlives its Bundle has no owner and a mark, whichever it had before,
// and a Bundle that is created again writes nothing.
func TestDecideOutliving(t *testing.T) {
	t.Parallel()
	marked := annotation(sharedKey)
	at := func(action Action) Action {
		action.UID, action.ResourceVersion = objectUID, version
		return action
	}
	recreated := outliving()
	recreated.Owner.UID = "newer-uid"
	inSync := at(Action{Verb: NoOp, Holding: heldBy(bundle.OrphanMark, true)})
	cached := Observed{State: Cached, UID: objectUID, ResourceVersion: version, Holding: heldBy(bundle.OrphanMark, true)}
	for name, tc := range map[string]struct {
		want   Desired
		seen   Observed
		action Action
	}{
		"created again, cached":   {recreated, cached, inSync},
		"created again":           {recreated, Observed{State: Full, Object: object(mark(bundle.OrphanMark))}, inSync},
		"created again, adopted":  {recreated, Observed{State: Full, Object: object(mark(bundle.AdoptedOrphanMark))}, at(Action{Verb: NoOp, Holding: heldBy(bundle.AdoptedOrphanMark, false)})},
		"owned before":            {outliving(), Observed{State: Full, Object: object()}, at(Action{Verb: Replace, Holding: heldBy(bundle.OrphanMark, true)})},
		"owned before, and label": {outliving(), Observed{State: Full, Object: object(withLabel("theirs", "x"))}, at(Action{Verb: Patch, Holding: heldBy(bundle.OrphanMark, false), Changes: Changes{Set: map[Field]string{marked: "orphan"}, DropOwners: owners}})},
		"adopted before":          {outliving(), Observed{State: Full, Object: object(adopted)}, at(Action{Verb: Patch, Holding: heldBy(bundle.AdoptedOrphanMark, false), Changes: Changes{Set: map[Field]string{marked: "adopted,orphan"}}})},
		"not any more, cached":    {wanted(), cached, confirmed(at(Action{Verb: Replace, Holding: held(true)}))},
		"not any more":            {wanted(), Observed{State: Full, Object: object(mark(bundle.OrphanMark))}, confirmed(at(Action{Verb: Replace, Holding: held(true)}))},
		"not any more, adopted":   {wanted(), Observed{State: Full, Object: object(mark(bundle.AdoptedOrphanMark))}, at(Action{Verb: Patch, Holding: heldBy(bundle.AdoptedMark, false), Changes: Changes{Set: map[Field]string{marked: "adopted"}}})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, tc.want, tc.seen, tc.action)
		})
	}
	action := Decide(roots, outliving(), Observed{State: Absent})
	if sent := action.Object().(metav1.Object); action.Verb != Create || len(sent.GetOwnerReferences()) > 0 || sent.GetAnnotations()[sharedKey] != "orphan" { //nolint:forcetypeassert // every object is one
		t.Errorf("%s with the owners %v and the annotations %v", action.Verb, sent.GetOwnerReferences(), sent.GetAnnotations())
	}
}

// T5, C2: the cause names the keys and both ways to consent.
func TestAdoptionRefusalStatesWhatToDo(t *testing.T) {
	t.Parallel()
	want := wanted()
	want.Shape.Text["a.pem"] = "A\n"
	object := stranger(map[string]string{"ca.pem": "their text", "a.pem": "their text"})
	got := Decide(roots, want, Observed{State: Full, Object: object})
	for _, part := range []string{`"a.pem", "ca.pem"`, "spec.target.overwrite", `trust.cert-manager.io/adopt to "true"`} {
		if !strings.Contains(got.Reason, part) {
			t.Errorf("%q does not contain %s", got.Reason, part)
		}
	}
	if got.Verb != Refuse || strings.Contains(got.Reason, "their text") {
		t.Errorf("%s: %s", got.Verb, got.Reason)
	}
	// A directory of many files: a status shows the first 300 bytes.
	want.Shape.HashedDirectory = true
	many := map[string]string{}
	for i := range 140 {
		many[fmt.Sprintf("%08x.0", i)] = "their text"
	}
	cause := Decide(roots, want, Observed{State: Full, Object: stranger(many)}).Reason
	if !strings.Contains(cause, "and 137 more") || !strings.Contains(cause[:min(300, len(cause))], "another name for the Bundle") {
		t.Errorf("%d bytes: %s", len(cause), cause)
	}
	if diff := cmp.Diff(map[string]string{"ca.pem": "their text", "a.pem": "their text"}, object.Text); diff != "" {
		t.Error(diff)
	}
}
