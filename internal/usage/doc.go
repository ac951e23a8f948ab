// Package usage finds how pods use the objects of a bundle, and which of their processes started
// before the bundle changed.
//
// Invariants: nothing is read or written; the result depends on the pod and the objects only.
//
// Not here: what a program does with a file. One that reads its trust store again by itself is
// reported like any other that started before the change.
package usage
