// Package build makes the revision of a bundle from its Spec: it gathers the sources,
// builds the bundle, and encodes its targets.
//
// Invariants: the result is one value, and nothing else changes; a bundle that
// cannot be built has problems and no revision; an error means that reading failed, and
// that the build should be retried.
package build
