// Package model is a model of the contract: which objects, contents and conditions follow
// from the Bundles, sources and namespaces of a cluster.
//
// A [World] is one state of the cluster. [World.Settle] does what the operator should do
// in it, with all that Kubernetes records about who wrote which entry, so that a test that
// makes every foreign write itself knows the exact result. A [History] is the sequence of
// states that a World has had. It reports what the operator may write at a given moment if
// it may still act on any state within a window, and how targets differ from the last
// state if only the operator's entries are known.
//
// The package is pure: it has no client and no clock, and uses nothing of the product but
// its API types, so that it cannot share a mistake with the operator.
package model
