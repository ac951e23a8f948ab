// Package bundle builds each bundle, and starts the rollout of its revision.
//
// Invariants: a bundle that cannot be built replaces nothing, apart from what the
// Bundle excludes and what is no longer retained; nothing is rolled out before the
// rotation state that it depends on is saved; a Bundle that is being deleted is inert.
//
// What a bundle consists of is decided in package internal/bundle.
package bundle
