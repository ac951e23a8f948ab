// Package target decides what to do about one target, an object in one namespace.
//
// [Decide] is a pure function: the desired and the observed state go in, an [Action]
// comes out. The methods of the action return what its request sends. ConfigMaps and
// Secrets are one type with a kind.
//
// Invariants: foreign entries of an object are never removed; an object is
// replaced or deleted only at a resource version whose whole content is known to be the
// operator's; any other object is read in full first.
//
// The package does no I/O: package writer sends the requests. Nor does it know when to
// act, or the state of other targets: that is the task of package
// internal/controller/target. Ids such as (T12) refer to docs/contract.md.
package target
