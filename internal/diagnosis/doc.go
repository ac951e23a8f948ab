// Package diagnosis judges whether a cluster, and the operator in it, are as they should be.
//
// Invariants: nothing is read or written. Each function judges facts that the caller has gathered,
// and its detail states what to do about what is wrong. What could not be read is [Skip], never
// [Pass].
package diagnosis
