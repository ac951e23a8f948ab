// Package writer reads target objects and carries out actions on them.
//
// Invariants: an action is at most one request that changes anything, and it fails
// if the object is no longer at the resource version that was decided about.
//
// What to do about a target is decided in package target.
package writer
