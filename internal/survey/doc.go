// Package survey reads the bundles of a cluster and their targets, and builds them as the operator
// does.
//
// Invariants: nothing is written. What the operator decides is decided by the packages that it
// uses itself. Objects of the trust namespace are read once; targets are listed by their metadata,
// with at most one request for each kind of targets and API kind, and the content of a bundle is
// read from one of its targets.
package survey
