package target

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/internal/bundle"
)

// Want is what should become of a target.
type Want struct {
	// Owner refers to the Bundle.
	Owner metav1.OwnerReference
	// Gone says that the Bundle no longer exists. Garbage collection then sees
	// to what it owned, and only shared objects are released.
	Gone bool
	// Orphaned says that the Bundle was deleted so that its targets stay: a
	// shared object then loses the operator's marks, and keeps the data.
	Orphaned bool
	// Shape is what the target should look like; nil where the Bundle asks for
	// no target of this kind.
	Shape *Shape
	// Selected says whether the namespace gets the target. What the operator
	// has written elsewhere is released.
	Selected bool
}

// State says how much is known of an object.
type State int

// The states of knowledge.
const (
	// Unread: the object may exist, and what it holds is not known.
	Unread State = iota
	// Absent: there is no such object.
	Absent
	// Held: the operator has written or read the object at this resource
	// version, and it then held what Holding says.
	Held
	// Whole: the object has just been read.
	Whole
)

// Seen is what is known of a target's object before a decision.
type Seen struct {
	State State
	// Vanished says of an absent object that this process had it in order
	// before.
	Vanished bool
	// ByName says of an absent object that the operator may write it only by its
	// name: POST, which has none, is refused.
	ByName bool
	// UID and ResourceVersion are set where State is Held.
	UID             string
	ResourceVersion string
	// Holding is set where State is Held.
	Holding Holding
	// Doubtful says of a Held object that it has not been read since it was
	// written: admission may have put something of others into its data.
	Doubtful bool
	// Object is set where State is Whole.
	Object *Object
}

// Verb says what an Action does.
type Verb string

// The verbs. Read sends a request that changes nothing; Keep, Leave, Wait and
// Refuse send none.
const (
	// Keep: the object is in order.
	Keep Verb = "keep"
	// Leave: the object is not wanted, and it is absent or not ours to release.
	Leave Verb = "leave"
	// Wait: the object is being deleted; its end is an event.
	Wait Verb = "wait"
	// Refuse: the object must not be written, for a reason that a person has
	// to settle.
	Refuse Verb = "refuse"
	// Read: the object must be read whole before anything can be decided.
	Read Verb = "read"

	Create  Verb = "create"
	Replace Verb = "replace"
	Patch   Verb = "patch"
	Apply   Verb = "apply"
	Delete  Verb = "delete"
)

// Action is what to do about one target, as a value.
type Action struct {
	Verb Verb
	Key  Key
	// Reason says why, for logs and, where the Verb is Refuse, for the user.
	Reason string
	// Confirm says that the Bundle has to be read from the API server first:
	// what was seen may be the work of its own deletion, which must not be
	// undone (T12), or the Bundle may have been made again.
	Confirm bool
	// UID and ResourceVersion are preconditions of the request.
	UID             string
	ResourceVersion string
	// Owner and Shape are what is written by create, replace and apply.
	Owner metav1.OwnerReference
	Shape *Shape
	// Changes are what a patch does.
	Changes Changes
	// Holding is what the object holds afterwards.
	Holding Holding
}

// reserved are ConfigMaps that Kubernetes or a distribution of it puts into every
// namespace, writes whole, and that pods rely on to reach the API server. No
// Bundle can share them.
var reserved = map[string]string{
	"kube-root-ca.crt":         "Kubernetes",
	"openshift-service-ca.crt": "OpenShift",
}

// Decide says what to do about a target. It is a pure function: the same
// knowledge gives the same Action.
func Decide(key Key, want Want, seen Seen) Action {
	action := Action{Key: key, Owner: want.Owner, Shape: want.Shape}
	owner, isReserved := reserved[key.Bundle]
	isReserved = isReserved && key.Kind == bundle.ConfigMap
	switch wanted := want.Selected && want.Shape != nil; {
	case wanted && isReserved:
		action.is(Refuse, "the ConfigMap of this name belongs to "+owner+" in each namespace; rename the Bundle")
	case wanted:
		action.converge(want, seen)
	case isReserved:
		action.is(Leave, "it is not the operator's to release")
	default:
		action.release(want, seen)
	}
	return action
}

// converge decides about a target that is wanted.
func (a *Action) converge(want Want, seen Seen) {
	a.Holding = Holding{Digest: want.Shape.Digest, Owner: string(want.Owner.UID), Clean: true}
	switch seen.State {
	case Unread:
		a.is(Read, "its content is not known")
	case Absent:
		a.Confirm = seen.Vanished
		if seen.ByName {
			// An apply that creates is authorized by the object's name. The owner
			// comes with the write after it, when the object has been seen.
			a.is(Apply, "it does not exist")
		} else {
			a.is(Create, "it does not exist")
		}
	case Held:
		a.UID, a.ResourceVersion = seen.UID, seen.ResourceVersion
		switch current := seen.Holding.Digest == want.Shape.Digest && seen.Holding.Owner == string(want.Owner.UID); {
		case current:
			a.Holding = seen.Holding
			a.is(Keep, "it is in order")
		case seen.Holding.Clean && !seen.Doubtful:
			a.is(Replace, "the bundle has changed")
		default:
			a.is(Read, "others may have something in it")
		}
	case Whole:
		a.repair(want, seen.Object)
	}
}

// repair decides about a wanted target that has been read whole.
func (a *Action) repair(want Want, object *Object) {
	a.UID, a.ResourceVersion = string(object.Meta.UID), object.Meta.ResourceVersion
	difference := compare(object, want)
	a.Holding.Clean = difference.clean
	a.Confirm = difference.disowned
	owner := object.foreignController(a.Key.Bundle)
	switch {
	case object.Meta.DeletionTimestamp != nil:
		a.is(Wait, "the object is being deleted")
	case owner != nil:
		a.is(Refuse, fmt.Sprintf("the object is controlled by %s %s; delete it, or rename the Bundle", owner.Kind, owner.Name))
	case object.Immutable && difference.changes.content():
		a.is(Refuse, "the object is immutable and has other content; save what others have in it and delete it, and it is created anew")
	case len(object.Meta.ManagedFields) == 0 && len(difference.changes.Drop) == 0:
		// Also where nothing differs: later, what the operator has written could
		// not be told from what others have. An apply cannot take anything away,
		// and with a key left behind in the other map the API server would refuse
		// it. A patch or a replacement comes first then.
		a.is(Apply, "its managedFields were cleared, so nothing in it is tracked")
	case difference.changes.empty():
		a.is(Keep, "it is in order")
	case difference.clean:
		a.is(Replace, "it differs from the bundle")
	default:
		a.Changes = difference.changes
		a.is(Patch, "it differs from the bundle, and others have something in it")
	}
}

// release decides about a target that is not wanted.
func (a *Action) release(want Want, seen Seen) {
	switch seen.State {
	case Absent:
		a.is(Leave, "it does not exist")
	case Unread:
		a.is(Read, "its content is not known")
	case Held:
		a.UID, a.ResourceVersion = seen.UID, seen.ResourceVersion
		if seen.Holding.Clean && !seen.Doubtful && !want.Gone {
			a.is(Delete, "it is no longer wanted")
		} else {
			a.is(Read, "others may have something in it")
		}
	case Whole:
		a.withdraw(want, seen.Object)
	}
}

// withdraw decides about an unwanted target that has been read whole.
func (a *Action) withdraw(want Want, object *Object) {
	a.UID, a.ResourceVersion = string(object.Meta.UID), object.Meta.ResourceVersion
	switch {
	case !object.isShared(a.Key.Bundle) && (want.Gone || !object.isControlled(a.Key.Bundle)):
		a.is(Leave, "it is not the operator's to release")
		return
	case object.Meta.DeletionTimestamp != nil:
		a.is(Leave, "it is being deleted")
		return
	}
	a.Confirm = want.Gone
	removal := subtract(object, want)
	switch {
	case removal.nothingLeft && !want.Orphaned:
		a.is(Delete, "it is no longer wanted")
	case object.Immutable && removal.changes.content():
		a.is(Refuse, "the object is no longer wanted, but it is immutable and holds data of others; save those and delete it")
	default:
		a.Changes = removal.changes
		a.is(Patch, "it is no longer wanted, and others have something in it")
	}
}

func (a *Action) is(verb Verb, reason string) {
	a.Verb, a.Reason = verb, reason
}
