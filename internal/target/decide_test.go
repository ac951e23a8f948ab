package target

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Decisions about an object that has not just been read.
func TestDecideWithoutTheObject(t *testing.T) {
	t.Parallel()
	unread := Observed{State: Unknown}
	absent := Observed{State: Absent}
	vanished := Observed{State: Absent, DeletedInSync: true}
	remembered := func(holding Holding) Observed {
		return Observed{State: Cached, UID: objectUID, ResourceVersion: version, Holding: holding}
	}
	older := func(clean bool) Observed {
		return remembered(Holding{Digest: "older", Owner: string(bundleUID), Clean: clean})
	}
	recreated := func(clean bool) Observed {
		return remembered(Holding{Digest: "digest", Owner: "older-uid", Clean: clean})
	}
	unshaped := Desired{Owner: ownedBy(bundleUID), Marks: &marks, Selected: true}
	at := func(action Action) Action {
		action.UID, action.ResourceVersion = objectUID, version
		return action
	}
	cases := map[string]struct {
		want   Desired
		seen   Observed
		action Action
	}{
		"wanted, unread: it is read":                              {wanted(), unread, Action{Verb: Read, Holding: held(true)}},
		"wanted, absent: it is created":                           {wanted(), absent, Action{Verb: Create, Holding: held(true)}},
		"T12 wanted, vanished: the Bundle may be going too":       {wanted(), vanished, Action{Verb: Create, RequireLiveBundle: true, Holding: held(true)}},
		"T11 wanted, held in sync: nothing is written":            {wanted(), remembered(held(true)), at(Action{Verb: NoOp, Holding: held(true)})},
		"T11 wanted, held in sync with others: likewise":          {wanted(), remembered(held(false)), at(Action{Verb: NoOp, Holding: held(false)})},
		"wanted, held with older content: it is replaced":         {wanted(), older(true), at(Action{Verb: Replace, Holding: held(true)})},
		"T6 wanted, held older with others: it is read":           {wanted(), older(false), at(Action{Verb: Read, Holding: held(true)})},
		"T4 wanted, held for an older Bundle: it is replaced":     {wanted(), recreated(true), at(Action{Verb: Replace, Holding: held(true)})},
		"T4 wanted, held for an older Bundle, shared: it is read": {wanted(), recreated(false), at(Action{Verb: Read, Holding: held(true)})},

		"unwanted, unread: it is read":                  {deselected(), unread, Action{Verb: Read}},
		"unwanted, absent: it is left":                  {deselected(), absent, Action{Verb: Skip}},
		"unwanted, vanished: it is left":                {deselected(), vanished, Action{Verb: Skip}},
		"T6 unwanted, held clean: it is deleted":        {deselected(), remembered(held(true)), at(Action{Verb: Delete})},
		"T6 unwanted, held older: it is deleted":        {deselected(), older(true), at(Action{Verb: Delete})},
		"T6 unwanted, held with others: it is read":     {deselected(), remembered(held(false)), at(Action{Verb: Read})},
		"T6 kind not wanted, held clean: it is deleted": {unshaped, remembered(held(true)), at(Action{Verb: Delete})},
		"T6 kind not wanted, absent: it is left":        {unshaped, absent, Action{Verb: Skip}},

		"T12 Bundle gone, unread: it is read":      {bundleDeleted(), unread, Action{Verb: Read}},
		"T12 Bundle gone, absent: it is left":      {bundleDeleted(), absent, Action{Verb: Skip}},
		"T12 Bundle gone, held clean: it is read":  {bundleDeleted(), remembered(held(true)), at(Action{Verb: Read})},
		"T12 Bundle gone, held shared: it is read": {bundleDeleted(), remembered(held(false)), at(Action{Verb: Read})},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, tc.want, tc.seen, tc.action)
		})
	}
}

// T7, without foreign entries.
func TestDecideClearedAndMoved(t *testing.T) {
	t.Parallel()
	moved := object(withoutText("ca.pem"), withBinary("ca.pem", "x"), tracked())
	check(t, wanted(), Observed{State: Full, Object: moved}, Action{Verb: Replace, UID: objectUID, ResourceVersion: version, Holding: held(true)})
}

// decisions are the actions for one object: if its target is desired, if it is not, and
// if its Bundle no longer exists.
type decisions struct {
	object           *Object
	wanted           Action
	deselected, gone Action
}

func (d decisions) check(t *testing.T) {
	t.Helper()
	at := func(action Action) Action {
		action.UID, action.ResourceVersion = objectUID, version
		return action
	}
	for name, one := range map[string]struct {
		want   Desired
		action Action
	}{"wanted": {wanted(), d.wanted}, "deselected": {deselected(), d.deselected}, "gone": {bundleDeleted(), d.gone}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, one.want, Observed{State: Full, Object: d.object}, at(one.action))
		})
	}
}

// Short forms of the Actions in the tables.

func noOp(clean bool) Action { return Action{Verb: NoOp, Holding: held(clean)} }

func replace() Action { return Action{Verb: Replace, Holding: held(true)} }

// confirmed returns an Action that needs a live Bundle.
func confirmed(action Action) Action {
	action.RequireLiveBundle = true
	return action
}

// patch returns the patch of a desired object that holds foreign entries.
func patch(changes Changes) Action {
	return Action{Verb: Patch, Changes: changes, Holding: held(false)}
}

// remove returns the patch that removes the operator's entries.
func remove(changes Changes) Action { return Action{Verb: Patch, Changes: changes} }

var (
	skip   = Action{Verb: Skip}
	erase  = Action{Verb: Delete}
	owners = []types.UID{bundleUID}
)

// An object without foreign entries.
func TestDecideOwnObject(t *testing.T) {
	t.Parallel()
	cases := map[string]decisions{
		"T11 in sync":                            {object(), noOp(true), erase, skip},
		"T7 text changed":                        {object(withText("ca.pem", "other")), replace(), erase, skip},
		"T7 key deleted":                         {object(withoutText("ca.pem")), replace(), erase, skip},
		"T7 label changed":                       {object(withLabel("team", "b")), replace(), erase, skip},
		"T7 label deleted":                       {object(withoutLabel("team")), replace(), erase, skip},
		"T7 annotation changed":                  {object(withAnnotation("note", "c")), replace(), erase, skip},
		"T7 annotation deleted":                  {object(withoutAnnotation("note")), replace(), erase, skip},
		"T7 hash changed":                        {object(withAnnotation(hashKey, "older")), replace(), erase, skip},
		"T7 hash deleted":                        {object(withoutAnnotation(hashKey)), replace(), erase, skip},
		"T6 bundle label deleted: no release":    {object(withoutLabel(bundleLabel)), replace(), skip, skip},
		"T6 bundle label of another: no release": {object(withLabel(bundleLabel, "other")), replace(), skip, skip},
		"T7 key moved to binaryData by the operator's name": {
			object(withoutText("ca.pem"), withBinary("ca.pem", "PEM\n"),
				tracked(managed(FieldManager, metav1.ManagedFieldsOperationUpdate, strings.ReplaceAll(ours, "f:data", "f:binaryData")))),
			replace(), erase, skip,
		},
		"T7 owner deleted: the Bundle may be orphaning it": {object(withOwners()), confirmed(replace()), skip, skip},
		"T4 owner with the UID of an older Bundle":         {object(withOwners(ownedBy("older-uid"))), replace(), erase, skip},
		"T4 owner with two UIDs":                           {object(withOwners(ownedBy("older-uid"), ownedBy(bundleUID))), replace(), erase, skip},
		"T4 owner does not block deletion": {
			object(withOwners(changedOwner(func(o *metav1.OwnerReference) { o.BlockOwnerDeletion = nil }))),
			replace(), erase, skip,
		},
		"T4 owner does not control: no release": {
			object(withOwners(changedOwner(func(o *metav1.OwnerReference) { o.Controller = new(false) }))),
			replace(), skip, skip,
		},
		"T4 owner of another version": {
			object(withOwners(changedOwner(func(o *metav1.OwnerReference) { o.APIVersion = "trust.cert-manager.io/v1" }))),
			replace(), erase, skip,
		},
		"marked shared without any foreign entry": {object(shared), confirmed(replace()), erase, confirmed(erase)},
		"marked shared and owned":                 {object(withAnnotation(sharedKey, "true")), replace(), erase, confirmed(erase)},
		"shared mark with another value":          {object(withAnnotation(sharedKey, "yes")), replace(), erase, skip},
		"stale key after a rename, tracked by update": {
			object(withText("old.pem", "PEM\n"), also(managed(FieldManager, metav1.ManagedFieldsOperationUpdate, `{"f:data":{"f:old.pem":{}}}`))),
			replace(), erase, skip,
		},
		"T5 stale key after a rename, tracked by apply": {
			object(withText("old.pem", "PEM\n"), also(managed(FieldManager, metav1.ManagedFieldsOperationApply, `{"f:data":{"f:old.pem":{}}}`))),
			replace(), erase, skip,
		},
		"stale binary key, label and annotation": {
			object(withBinary("old.jks", "x"), withLabel("old", "x"), withAnnotation("old", "x"),
				also(managed(FieldManager, metav1.ManagedFieldsOperationApply,
					`{"f:binaryData":{"f:old.jks":{}},"f:metadata":{"f:labels":{"f:old":{}},"f:annotations":{"f:old":{}}}}`))),
			replace(), erase, skip,
		},
		"the API server's name for untracked fields claims nothing": {
			object(also(managed("before-first-apply", metav1.ManagedFieldsOperationUpdate, ours))), noOp(true), erase, skip,
		},
		"immutable, in sync":          {object(immutable), noOp(false), erase, skip},
		"T8 immutable, other content": {object(immutable, withText("ca.pem", "other")), Action{Verb: Refuse, Holding: held(false)}, erase, skip},
		"T8 immutable, stale key": {
			object(immutable, withText("old.pem", ""), also(managed(FieldManager, metav1.ManagedFieldsOperationUpdate, `{"f:data":{"f:old.pem":{}}}`))),
			Action{Verb: Refuse, Holding: held(false)}, erase, skip,
		},
		"immutable, other label: metadata may still change": {
			object(immutable, withLabel("team", "b")),
			patch(Changes{Set: map[Field]string{label("team"): "a"}}), erase, skip,
		},
		"T8 being deleted":          {object(deleting), Action{Verb: Wait, Holding: held(true)}, skip, skip},
		"T12 being deleted, shared": {object(deleting, shared), Action{Verb: Wait, Holding: held(true)}, skip, skip},
		"T7 managedFields cleared, in sync: its entries could not be distinguished from foreign ones later": {
			object(tracked()), Action{Verb: Apply, Holding: held(true)}, erase, skip,
		},
		"T7 managedFields cleared, text changed: an entry that differs counts as foreign on release": {
			object(tracked(), withText("ca.pem", "other")), Action{Verb: Apply, Holding: held(true)},
			remove(Changes{Drop: dropped(label(bundleLabel), label("team"), annotation(hashKey), annotation("note")), DropOwners: owners}), skip,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.check(t)
		})
	}
}

func changedOwner(change func(*metav1.OwnerReference)) metav1.OwnerReference {
	owner := ownedBy(bundleUID)
	change(&owner)
	return owner
}

// T3, T3b, T6: a file of a hashed directory that is not of the bundle is removed, also if another manager
// wrote it, and other foreign keys stay. An object that existed before is not changed without consent. Without a
// hashed directory, such a key is foreign.
func TestDecideHashedNames(t *testing.T) {
	t.Parallel()
	const stale = "5ad8a5d6.0"
	hashed := func() Desired {
		want := wanted()
		want.Shape.HashedDirectory = true
		return want
	}
	by := managed("kubectl", metav1.ManagedFieldsOperationApply, `{"f:data":{"f:`+stale+`":{}}}`)
	overwriting := hashed()
	overwriting.Overwrite = true
	for name, tc := range map[string]struct {
		want   Desired
		object *Object
		verb   Verb
		drop   bool
	}{
		"of another manager":                {hashed(), object(withText(stale, "x"), also(by)), Replace, true},
		"of the operator and another":       {hashed(), object(withText(stale, "x"), also(by), tracked(managed(FieldManager, metav1.ManagedFieldsOperationUpdate, strings.Replace(ours, "f:ca.pem", "f:"+stale, 1)), by)), Replace, true},
		"of nobody":                         {hashed(), object(withText(stale, "x"), tracked()), Replace, true},
		"binary":                            {hashed(), object(withBinary(stale, "x")), Replace, true},
		"beside a foreign key":              {hashed(), object(withText(stale, "x"), withText("theirs", "x"), shared), Patch, true},
		"a name of another form":            {hashed(), object(withText("5ad8a5d6.x", "x"), shared), NoOp, false},
		"without a hashed directory":        {wanted(), object(withText(stale, "x"), shared), NoOp, false},
		"in an object that existed before":  {hashed(), stranger(map[string]string{stale: "x"}), Refuse, false},
		"the same, with consent":            {overwriting, stranger(map[string]string{stale: "x"}), Patch, true},
		"empty in one that existed before":  {hashed(), stranger(map[string]string{stale: ""}), Patch, true},
		"adopted before, and then restored": {hashed(), stranger(map[string]string{stale: "x"}, adopted, withLabel(bundleLabel, "roots")), Patch, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Decide(roots, tc.want, Observed{State: Full, Object: tc.object})
			dropped := got.Changes.Drop[text(stale)]
			if got.Verb == Replace { // the object is written without it
				dropped = true
			}
			if got.Verb != tc.verb || dropped != tc.drop {
				t.Errorf("%s (%s), dropped %v, want %s", got.Verb, got.Reason, got.Changes.Drop, tc.verb)
			}
		})
	}
}

// T6: foreign entries of an object stay, and so does the object. T4: foreign data also
// makes it a shared one.
func TestDecideObjectWithForeignEntries(t *testing.T) {
	t.Parallel()
	const kubectl = "kubectl-edit"
	update := metav1.ManagedFieldsOperationUpdate
	drop := remove(Changes{Drop: oursDropped(), DropOwners: owners})
	share := patch(Changes{Set: map[Field]string{annotation(sharedKey): "true"}, DropOwners: owners})
	unshare := remove(Changes{Drop: oursDropped(annotation(sharedKey))})
	cases := map[string]decisions{
		"text":                    {object(withText("theirs", "x")), share, drop, skip},
		"binary":                  {object(withBinary("theirs", "x")), share, drop, skip},
		"text and shared already": {object(withText("theirs", "x"), shared), noOp(false), unshare, confirmed(unshare)},
		"text and shared, own text changed": {
			object(withText("theirs", "x"), shared, withText("ca.pem", "other")),
			patch(Changes{Set: map[Field]string{text("ca.pem"): "PEM\n"}}), unshare, confirmed(unshare),
		},
		"text, marked shared and owned": {
			object(withText("theirs", "x"), withAnnotation(sharedKey, "true")),
			patch(Changes{DropOwners: owners}),
			remove(Changes{Drop: oursDropped(annotation(sharedKey)), DropOwners: owners}),
			confirmed(remove(Changes{Drop: oursDropped(annotation(sharedKey)), DropOwners: owners})),
		},
		"text, and no owner": {
			object(withText("theirs", "x"), withOwners()),
			patch(Changes{Set: map[Field]string{annotation(sharedKey): "true"}}), skip, skip,
		},
		"label":                        {object(withLabel("theirs", "x")), noOp(false), drop, skip},
		"annotation":                   {object(withAnnotation("theirs", "x")), noOp(false), drop, skip},
		"finalizer":                    {object(withFinalizer), noOp(false), drop, skip},
		"owner":                        {object(withOwners(deployment(false), ownedBy(bundleUID))), noOp(false), drop, skip},
		"T8 controller":                {object(withOwners(deployment(true))), Action{Verb: Refuse, Holding: held(false)}, skip, skip},
		"T8 controller, being deleted": {object(withOwners(deployment(true)), deleting), Action{Verb: Wait, Holding: held(false)}, skip, skip},
		"controller of an object that is shared": {
			object(withText("theirs", "x"), shared, withOwners(deployment(true))),
			Action{Verb: Refuse, Holding: held(false)}, unshare, confirmed(unshare),
		},
		"T8 Bundle of another name as controller": {
			object(withOwners(changedOwner(func(o *metav1.OwnerReference) { o.Name, o.UID = "other", "other-uid" }))),
			Action{Verb: Refuse, Holding: held(false)}, skip, skip,
		},
		"T8 owner of another group with our kind and name": {
			object(withOwners(changedOwner(func(o *metav1.OwnerReference) { o.APIVersion = "example.com/v1alpha1" }))),
			Action{Verb: Refuse, Holding: held(false)}, skip, skip,
		},
		"label, and the text changed": {
			object(withLabel("theirs", "x"), withText("ca.pem", "other")),
			patch(Changes{Set: map[Field]string{text("ca.pem"): "PEM\n"}}), drop, skip,
		},
		"label, and an older owner": {
			object(withLabel("theirs", "x"), withOwners(ownedBy("older-uid"))),
			patch(Changes{SetOwner: new(ownedBy(bundleUID)), DropOwners: []types.UID{"older-uid"}}),
			remove(Changes{Drop: oursDropped(), DropOwners: []types.UID{"older-uid"}}), skip,
		},
		"label, and the shared mark for nothing": {
			object(withLabel("theirs", "x"), withAnnotation(sharedKey, "true")),
			patch(Changes{Drop: dropped(annotation(sharedKey))}),
			remove(Changes{Drop: oursDropped(annotation(sharedKey)), DropOwners: owners}),
			confirmed(remove(Changes{Drop: oursDropped(annotation(sharedKey)), DropOwners: owners})),
		},
		"finalizer, and the key moved to binaryData by others": {
			object(withFinalizer, withoutText("ca.pem"), withBinary("ca.pem", "x"),
				also(managed(kubectl, update, `{"f:binaryData":{"f:ca.pem":{}}}`))),
			patch(Changes{Set: map[Field]string{text("ca.pem"): "PEM\n"}, Drop: dropped(binaryData("ca.pem"))}),
			remove(Changes{Drop: dropped(label(bundleLabel), label("team"), annotation(hashKey), annotation("note")), DropOwners: owners}), skip,
		},
		"an old key of the operator that another manager also claims": {
			object(withText("old.pem", "x"),
				also(managed(FieldManager, metav1.ManagedFieldsOperationApply, `{"f:data":{"f:old.pem":{}}}`)),
				also(managed(kubectl, update, `{"f:data":{"f:old.pem":{}}}`))),
			share, drop, skip,
		},
		"an old key of the operator beside a foreign label": {
			object(withText("old.pem", "x"), withLabel("theirs", "x"),
				also(managed(FieldManager, update, `{"f:data":{"f:old.pem":{}}}`))),
			patch(Changes{Drop: dropped(text("old.pem"))}),
			remove(Changes{Drop: oursDropped(text("old.pem")), DropOwners: owners}), skip,
		},
		"a desired label that another manager also claims": {
			object(also(managed(kubectl, update, `{"f:metadata":{"f:labels":{"f:team":{}}}}`))), noOp(false),
			remove(Changes{Drop: dropped(text("ca.pem"), label(bundleLabel), annotation(hashKey), annotation("note")), DropOwners: owners}), skip,
		},
		"the operator's own label though others claim it": {
			object(also(managed(kubectl, update, `{"f:metadata":{"f:labels":{"f:trust.cert-manager.io/bundle":{}}}}`))), noOp(true), erase, skip,
		},
		"a managedFields record that is not JSON": {
			object(withText("old.pem", "x"), also(managed(FieldManager, update, `{"f:data"`)), also(managed(kubectl, update, `[]`))),
			share, drop, skip,
		},
		"a managedFields entry with no record": {
			object(withText("old.pem", "x"), also(metav1.ManagedFieldsEntry{Manager: FieldManager, Operation: update})),
			share, drop, skip,
		},
		"managedFields cleared": {
			object(withText("theirs", "x"), tracked()), Action{Verb: Apply, Holding: held(false)}, drop, skip,
		},
		"managedFields cleared, and the key moved to binaryData: an apply would be refused": {
			object(withLabel("theirs", "x"), withoutText("ca.pem"), withBinary("ca.pem", "x"), tracked()),
			patch(Changes{Set: map[Field]string{text("ca.pem"): "PEM\n"}, Drop: dropped(binaryData("ca.pem"))}),
			remove(Changes{Drop: dropped(label(bundleLabel), label("team"), annotation(hashKey), annotation("note")), DropOwners: owners}), skip,
		},
		"managedFields cleared, shared already": {
			object(withText("theirs", "x"), shared, tracked()), Action{Verb: Apply, Holding: held(false)}, unshare,
			confirmed(remove(Changes{Drop: dropped(label(bundleLabel), annotation(hashKey), annotation(sharedKey))})),
		},
		"immutable": {
			object(immutable, withText("theirs", "x")), share, Action{Verb: Refuse}, skip,
		},
		"immutable and shared": {
			object(immutable, withText("theirs", "x"), shared), noOp(false), Action{Verb: Refuse}, confirmed(Action{Verb: Refuse}),
		},
		"immutable, and nothing of the operator's in the data": {
			object(immutable, withText("theirs", "x"), shared, withoutText("ca.pem")), Action{Verb: Refuse, Holding: held(false)},
			remove(Changes{Drop: dropped(label(bundleLabel), label("team"), annotation(hashKey), annotation("note"), annotation(sharedKey))}),
			confirmed(remove(Changes{Drop: dropped(label(bundleLabel), label("team"), annotation(hashKey), annotation("note"), annotation(sharedKey))})),
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.check(t)
		})
	}
}
