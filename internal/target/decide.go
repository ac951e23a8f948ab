package target

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/internal/bundle"
)

// Desired is the desired state of a target.
type Desired struct {
	// Owner refers to the Bundle, and Marks are those of its targets.
	Owner metav1.OwnerReference
	Marks *bundle.Marks
	// BundleDeleted reports that the Bundle no longer exists. Garbage collection then deletes what
	// it owned, and only shared objects have to be released.
	BundleDeleted bool
	// Orphaned reports that the Bundle was deleted without its targets: a shared object
	// then loses the operator's marks and keeps the data.
	Orphaned bool
	// Shape is the desired content; nil if the Bundle has no target of this kind.
	Shape *Shape
	// Selected reports whether the namespace gets the target. Targets in other
	// namespaces are released.
	Selected bool
	// Overwrite allows changing foreign content of an object that existed before it
	// became a target.
	Overwrite bool
}

// State is how much is known of an object.
type State int

// The values of State.
const (
	// Unknown: the object may exist, and its content is unknown.
	Unknown State = iota
	// Absent: the object does not exist.
	Absent
	// Cached: the operator has written or read the object at this resource version, and
	// Holding is what it then held.
	Cached
	// Full: the object has just been read in full.
	Full
)

// Observed is the observed state of a target.
type Observed struct {
	State State
	// DeletedInSync reports that an absent object was, or may have been, in sync before it
	// was deleted.
	DeletedInSync bool
	// ByName reports that an absent object has to be created by apply: RBAC allows writes
	// to objects by their names only, and a POST request has no name.
	ByName bool
	// UID and ResourceVersion are set if State is Cached.
	UID             string
	ResourceVersion string
	// Holding is set if State is Cached, or if a Full object is Known: it was in sync before,
	// and Holding is what it then held.
	Known   bool
	Holding Holding
	// Unverified reports that a Cached object has not been read since it was written:
	// admission may have changed its data.
	Unverified bool
	// Object is set if State is Full.
	Object *Object
}

// Verb is what an Action does.
type Verb string

// The verbs. Read sends a request that changes nothing; NoOp, Skip, Wait and Refuse send
// none.
const (
	// NoOp: the object is in sync.
	NoOp Verb = "no-op"
	// Skip: the object is not desired, and it is absent or not the operator's to release.
	Skip Verb = "skip"
	// Wait: the object is being deleted; an event follows when it is gone.
	Wait Verb = "wait"
	// Refuse: the object must not be written until a user has removed the reason.
	Refuse Verb = "refuse"
	// Read: the object has to be read in full before anything can be decided.
	Read Verb = "read"

	Create  Verb = "create"
	Replace Verb = "replace"
	Patch   Verb = "patch"
	Apply   Verb = "apply"
	Delete  Verb = "delete"
)

// isWrite reports whether the verb changes or deletes an object that exists.
func (v Verb) isWrite() bool { return v == Replace || v == Patch || v == Apply || v == Delete }

// Action is a decision about one target.
type Action struct {
	Verb Verb
	Key  Key
	// Reason is the reason for the decision, for logs and, if the Verb is Refuse or Wait,
	// for the user.
	Reason string
	// RequireLiveBundle reports that the Bundle has to be read from the API server first: the
	// observed state may be the effect of its own deletion, which must not be undone
	// (T12), or the Bundle may have been re-created.
	RequireLiveBundle bool
	// UID and ResourceVersion are preconditions of the request.
	UID             string
	ResourceVersion string
	// Owner and Shape are what create and replace write; apply writes Shape only. The
	// Bundle does not own targets that outlive it.
	Owner metav1.OwnerReference
	Shape *Shape
	// Changes are what a patch changes. An apply writes its annotations in addition to those
	// of Shape.
	Changes Changes
	// Holding is the content of the object afterwards.
	Holding Holding
}

// Decide returns what to do about a target. It is a pure function.
func Decide(key Key, desired Desired, observed Observed) Action {
	action := Action{Key: key, Owner: desired.Owner, Shape: desired.Shape}
	platform, isPlatforms := TypeOf(key.Kind).platforms[key.Name]
	switch wanted := desired.Selected && desired.Shape != nil; {
	case wanted && desired.Shape.Refused != nil && !desired.Shape.hasFiles():
		action.set(Refuse, desired.Shape.Refused.Error())
	case wanted && isPlatforms:
		action.set(Refuse, fmt.Sprintf("%s manages a %s with this name in every namespace; rename the %s", platform, key.Kind, key.Bundle.Kind))
	case wanted:
		action.converge(desired, observed)
	case isPlatforms:
		action.set(Skip, "it is not managed by the operator")
	default:
		action.release(desired, observed)
	}
	return action
}

// converge decides about a desired target.
func (a *Action) converge(desired Desired, observed Observed) {
	a.Holding = desired.holding()
	switch observed.State {
	case Unknown:
		a.set(Read, "its content is unknown")
	case Absent:
		a.RequireLiveBundle = observed.DeletedInSync
		if observed.ByName {
			// RBAC authorizes an apply that creates by the object's name. The owner
			// reference follows with the next write, once the object has been read.
			a.set(Apply, "it does not exist")
		} else {
			a.set(Create, "it does not exist")
		}
	case Cached:
		a.UID, a.ResourceVersion = observed.UID, observed.ResourceVersion
		switch current := observed.Holding.Digest == a.Holding.Digest && observed.Holding.Owner == a.Holding.Owner; {
		case current:
			a.Holding = observed.Holding
			a.set(NoOp, "it is in sync")
		case observed.Holding.Clean && !observed.Unverified:
			a.set(Replace, "the bundle has changed")
			// A target without an owner is not changed by the deletion of its Bundle.
			a.RequireLiveBundle = observed.Holding.Owner == "" && a.Holding.Owner != ""
		default:
			a.set(Read, "it may hold foreign entries")
		}
	case Full:
		a.repair(desired, observed)
	}
}

// repair decides about a desired target that has been read in full.
func (a *Action) repair(desired Desired, observed Observed) {
	object := observed.Object
	a.UID, a.ResourceVersion = string(object.Meta.UID), object.Meta.ResourceVersion
	us := identity{desired.Marks.WithPeers(), a.Key.Bundle.Name}
	difference := us.compare(observed, desired)
	a.Holding.Clean, a.Holding.Adopted = difference.clean, difference.mark.IsAdopted()
	owner := us.foreignController(object)
	switch {
	case object.Meta.DeletionTimestamp != nil:
		a.set(Wait, "the object is being deleted")
	case owner != nil:
		a.set(Refuse, fmt.Sprintf("the object is controlled by %s %s; delete it, or rename the %s", owner.Kind, owner.Name, a.Key.Bundle.Kind))
	case difference.isNew && TypeOf(a.Key.Kind).Exclusive:
		a.set(Refuse, fmt.Sprintf("an object of this name existed before, without the label %s of a target, and is not changed; delete it, or rename the %s",
			desired.Marks.Label, a.Key.Bundle.Kind))
	case object.Immutable && difference.changes.content():
		a.set(Refuse, "the object is immutable and has different content; save its foreign data and delete it, and it will be re-created")
	case len(difference.conflicts) > 0:
		a.set(Refuse, fmt.Sprintf("the object existed before and has other content under %[1]s; to overwrite it, set spec.target.overwrite "+
			"in the %[4]s, or the annotation %[2]s to %[3]q on the object; to keep it, use another key, or another name for the %[4]s",
			listOf(difference.conflicts), desired.Marks.Adopt, consent, a.Key.Bundle.Kind))
	case len(object.Meta.ManagedFields) == 0 && len(difference.changes.Drop) == 0:
		// Applied even if nothing differs: without managedFields, the operator's entries
		// could not be distinguished from foreign ones later. An apply removes nothing,
		// and the API server would refuse it if a key were left in the other map: entries
		// to remove need a patch or replace first (docs/adr/0004).
		a.set(Apply, "its managedFields were cleared, so nothing in it is tracked")
		if difference.mark.IsAdopted() {
			// With the label but not the mark, it would not count as adopted.
			mark := Field{SectionAnnotations, desired.Marks.Shared}
			a.Changes.Set = map[Field]string{mark: string(difference.mark)}
		}
	case difference.changes.empty():
		a.set(NoOp, "it is in sync")
	case difference.clean:
		a.set(Replace, "it differs from the bundle")
	default:
		a.Changes = difference.changes
		a.set(Patch, "it differs from the bundle and holds foreign entries")
	}
	a.RequireLiveBundle = a.Verb.isWrite() && (difference.ownerMissing || difference.isNew)
}

// maxShownKeys is how many keys a reason lists, so that what to do still fits into a status.
const maxShownKeys = 3

// listOf lists the first few keys.
func listOf(keys []string) string {
	if more := len(keys) - maxShownKeys; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(keys[:maxShownKeys], ", "), more)
	}
	return strings.Join(keys, ", ")
}

// release decides about a target that is not desired.
func (a *Action) release(desired Desired, observed Observed) {
	switch observed.State {
	case Absent:
		a.set(Skip, "it does not exist")
	case Unknown:
		a.set(Read, "its content is unknown")
	case Cached:
		a.UID, a.ResourceVersion = observed.UID, observed.ResourceVersion
		if observed.Holding.Clean && !observed.Unverified && !desired.BundleDeleted {
			a.set(Delete, "it is no longer desired")
		} else {
			a.set(Read, "it may hold foreign entries")
		}
	case Full:
		a.withdraw(desired, observed.Object)
	}
}

// withdraw decides about a target that is not desired and has been read in full.
func (a *Action) withdraw(desired Desired, object *Object) {
	a.UID, a.ResourceVersion = string(object.Meta.UID), object.Meta.ResourceVersion
	// What a bundle of another API kind has marked is not this one's to release.
	us := identity{[]*bundle.Marks{desired.Marks}, a.Key.Bundle.Name}
	switch {
	case desired.BundleDeleted && us.mark(object).IsOrphan():
		a.set(Skip, "it outlives the Bundle")
		return
	case (us.mark(object) == "" || TypeOf(a.Key.Kind).Exclusive && !us.mark(object).IsOrphan()) && (desired.BundleDeleted || !us.isControlled(object)):
		a.set(Skip, "it is not managed by the operator")
		return
	case object.Meta.DeletionTimestamp != nil:
		a.set(Skip, "it is being deleted")
		return
	}
	a.RequireLiveBundle = desired.BundleDeleted
	removal := us.subtract(object, desired)
	// Nothing can be left of an object that cannot be shared, except its metadata.
	isWhole := TypeOf(a.Key.Kind).Exclusive || removal.nothingLeft && !us.mark(object).IsAdopted()
	switch {
	case isWhole && !desired.Orphaned:
		a.set(Delete, "it is no longer desired")
	case object.Immutable && removal.changes.content():
		a.set(Refuse, "the object is no longer desired, but it is immutable and holds foreign data; save that data and delete the object")
	default:
		a.Changes = removal.changes
		a.set(Patch, "it is no longer desired, but existed before or holds foreign entries")
	}
}

func (a *Action) set(verb Verb, reason string) {
	a.Verb, a.Reason = verb, reason
}
