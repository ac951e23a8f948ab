// Package lint finds valid content of Bundles and their sources that is usually a mistake.
// The admission webhook returns the worst of them as warnings, and a review at the command line
// has more rules.
//
// Invariants: the text of a finding contains nothing of a certificate but dates and fingerprints,
// only where it is; the same input has the same findings. The package does no I/O, does not read the clock and
// does not log.
package lint
