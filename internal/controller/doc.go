// Package controller wires the operator's controllers: one builds bundles, one brings
// single targets in sync with them, and one writes statuses.
//
// Invariants: no event handler panics or ends the process; all queues start only
// when all caches are complete.
//
// The controllers are in the packages bundle, target and status below this folder. They
// decide when something happens; what a bundle consists of, what a target should look
// like and what a status contains is decided in the pure packages.
package controller
