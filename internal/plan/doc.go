// Package plan decides whether a CA can be replaced by another one, and what has to happen first.
//
// Invariants: nothing is read or written, and the result depends on the arguments only. A CA is safe to
// remove only if everything that depends on it has been looked at: what could not be read counts as
// an obstacle.
package plan
