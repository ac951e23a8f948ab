// Package target reconciles each target with the active revision of its bundle.
//
// Invariants: the targets of a bundle that has no revision in this process, and those of a
// Bundle that is being deleted, are left alone; the event of a target causes one decision,
// and that of a namespace one for each bundle that it concerns; a target that hangs or fails
// does not block any other.
//
// Package internal/target decides what to do with a target.
package target
