// Package target brings single targets in sync with the active revision of their bundle.
//
// What always holds: nothing is done to the targets of a bundle that has no revision in
// this process, nor to those of a Bundle that is being deleted; an event about a target
// costs one decision, an event about a namespace one for each bundle that it concerns; a
// target that hangs or fails does not hold up others.
//
// What to do about a target is decided in package internal/target.
package target
