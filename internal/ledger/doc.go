// Package ledger tracks the rollout of each bundle: which targets are wanted, which are
// in sync, and which failed and why. It derives the conditions of the Bundle from this.
//
// Invariants: an outcome counts only for its own revision; the same state results in the
// same messages, regardless of the order of events; a target takes a few bytes, and the
// text of a failure only while it fails. The package does no I/O, does not read the clock
// (now is an argument) and does not log.
//
// It does not know what a target looks like, or when to write a status.
package ledger
