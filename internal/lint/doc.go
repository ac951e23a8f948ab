// Package lint finds valid content of Bundles and their sources that is usually a mistake.
// The admission webhook returns the findings as warnings.
//
// Invariants: a finding contains nothing of a certificate, only where it is; the
// same input has the same findings. The package does no I/O, does not read the clock and
// does not log.
package lint
