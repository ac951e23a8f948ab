package target

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/internal/bundle"
)

// Want is the desired state of a target.
type Want struct {
	// Owner refers to the Bundle.
	Owner metav1.OwnerReference
	// Gone reports that the Bundle no longer exists. Garbage collection then deletes what
	// it owned, and only shared objects have to be released.
	Gone bool
	// Orphaned reports that the Bundle was deleted without its targets: a shared object
	// then loses the operator's marks and keeps the data.
	Orphaned bool
	// Shape is the desired content; nil if the Bundle has no target of this kind.
	Shape *Shape
	// Selected reports whether the namespace gets the target. Targets in other
	// namespaces are released.
	Selected bool
}

// State is how much is known of an object.
type State int

// The values of State.
const (
	// Unread: the object may exist, and its content is unknown.
	Unread State = iota
	// Absent: the object does not exist.
	Absent
	// Held: the operator has written or read the object at this resource version, and
	// Holding is what it then held.
	Held
	// Whole: the object has just been read in full.
	Whole
)

// Seen is the observed state of a target.
type Seen struct {
	State State
	// Vanished reports that an absent object was in sync before, in this process.
	Vanished bool
	// ByName reports that an absent object has to be created by apply: RBAC allows writes
	// to objects by their names only, and a POST request has no name.
	ByName bool
	// UID and ResourceVersion are set if State is Held.
	UID             string
	ResourceVersion string
	// Holding is set if State is Held.
	Holding Holding
	// Doubtful reports that a Held object has not been read since it was written:
	// admission may have changed its data.
	Doubtful bool
	// Object is set if State is Whole.
	Object *Object
}

// Verb is what an Action does.
type Verb string

// The verbs. Read sends a request that changes nothing; Keep, Leave, Wait and Refuse send
// none.
const (
	// Keep: the object is in sync.
	Keep Verb = "keep"
	// Leave: the object is not desired, and it is absent or not the operator's to release.
	Leave Verb = "leave"
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

// Action is a decision about one target.
type Action struct {
	Verb Verb
	Key  Key
	// Reason is the reason for the decision, for logs and, if the Verb is Refuse or Wait,
	// for the user.
	Reason string
	// Confirm reports that the Bundle has to be read from the API server first: the
	// observed state may be the effect of its own deletion, which must not be undone
	// (T12), or the Bundle may have been re-created.
	Confirm bool
	// UID and ResourceVersion are preconditions of the request.
	UID             string
	ResourceVersion string
	// Owner and Shape are what create and replace write; apply writes Shape only.
	Owner metav1.OwnerReference
	Shape *Shape
	// Changes are what a patch changes.
	Changes Changes
	// Holding is the content of the object afterwards.
	Holding Holding
}

// reserved has the ConfigMaps that Kubernetes or a distribution of it maintains in every
// namespace. They are overwritten as a whole, and pods need them to reach the API server,
// so a Bundle cannot share them.
var reserved = map[string]string{
	"kube-root-ca.crt":         "Kubernetes",
	"openshift-service-ca.crt": "OpenShift",
}

// Decide returns what to do about a target. It is a pure function.
func Decide(key Key, want Want, seen Seen) Action {
	action := Action{Key: key, Owner: want.Owner, Shape: want.Shape}
	owner, isReserved := reserved[key.Bundle]
	isReserved = isReserved && key.Kind == bundle.ConfigMap
	switch wanted := want.Selected && want.Shape != nil; {
	case wanted && isReserved:
		action.is(Refuse, owner+" manages a ConfigMap with this name in every namespace; rename the Bundle")
	case wanted:
		action.converge(want, seen)
	case isReserved:
		action.is(Leave, "it is not managed by the operator")
	default:
		action.release(want, seen)
	}
	return action
}

// converge decides about a desired target.
func (a *Action) converge(want Want, seen Seen) {
	a.Holding = Holding{Digest: want.Shape.Digest, Owner: string(want.Owner.UID), Clean: true}
	switch seen.State {
	case Unread:
		a.is(Read, "its content is unknown")
	case Absent:
		a.Confirm = seen.Vanished
		if seen.ByName {
			// RBAC authorizes an apply that creates by the object's name. The owner
			// reference follows with the next write, once the object has been read.
			a.is(Apply, "it does not exist")
		} else {
			a.is(Create, "it does not exist")
		}
	case Held:
		a.UID, a.ResourceVersion = seen.UID, seen.ResourceVersion
		switch current := seen.Holding.Digest == want.Shape.Digest && seen.Holding.Owner == string(want.Owner.UID); {
		case current:
			a.Holding = seen.Holding
			a.is(Keep, "it is in sync")
		case seen.Holding.Clean && !seen.Doubtful:
			a.is(Replace, "the bundle has changed")
		default:
			a.is(Read, "it may hold foreign entries")
		}
	case Whole:
		a.repair(want, seen.Object)
	}
}

// repair decides about a desired target that has been read in full.
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
		a.is(Refuse, "the object is immutable and has different content; save its foreign data and delete it, and it will be re-created")
	case len(object.Meta.ManagedFields) == 0 && len(difference.changes.Drop) == 0:
		// Applied even if nothing differs: without managedFields, the operator's entries
		// could not be distinguished from foreign ones later. An apply removes nothing,
		// and the API server would refuse it if a key were left in the other map: entries
		// to remove need a patch or replace first (docs/adr/0004).
		a.is(Apply, "its managedFields were cleared, so nothing in it is tracked")
	case difference.changes.empty():
		a.is(Keep, "it is in sync")
	case difference.clean:
		a.is(Replace, "it differs from the bundle")
	default:
		a.Changes = difference.changes
		a.is(Patch, "it differs from the bundle and holds foreign entries")
	}
}

// release decides about a target that is not desired.
func (a *Action) release(want Want, seen Seen) {
	switch seen.State {
	case Absent:
		a.is(Leave, "it does not exist")
	case Unread:
		a.is(Read, "its content is unknown")
	case Held:
		a.UID, a.ResourceVersion = seen.UID, seen.ResourceVersion
		if seen.Holding.Clean && !seen.Doubtful && !want.Gone {
			a.is(Delete, "it is no longer desired")
		} else {
			a.is(Read, "it may hold foreign entries")
		}
	case Whole:
		a.withdraw(want, seen.Object)
	}
}

// withdraw decides about a target that is not desired and has been read in full.
func (a *Action) withdraw(want Want, object *Object) {
	a.UID, a.ResourceVersion = string(object.Meta.UID), object.Meta.ResourceVersion
	switch {
	case !object.isShared(a.Key.Bundle) && (want.Gone || !object.isControlled(a.Key.Bundle)):
		a.is(Leave, "it is not managed by the operator")
		return
	case object.Meta.DeletionTimestamp != nil:
		a.is(Leave, "it is being deleted")
		return
	}
	a.Confirm = want.Gone
	removal := subtract(object, want)
	switch {
	case removal.nothingLeft && !want.Orphaned:
		a.is(Delete, "it is no longer desired")
	case object.Immutable && removal.changes.content():
		a.is(Refuse, "the object is no longer desired, but it is immutable and holds foreign data; save that data and delete the object")
	default:
		a.Changes = removal.changes
		a.is(Patch, "it is no longer desired and holds foreign entries")
	}
}

func (a *Action) is(verb Verb, reason string) {
	a.Verb, a.Reason = verb, reason
}
