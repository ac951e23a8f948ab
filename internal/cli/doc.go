// Package cli is the command line `kubectl trust`: the operator's own core in CI and at a
// terminal.
//
// Invariants: a question is answered by the packages that the operator itself uses, so that the two
// cannot disagree; no output has a private key or a value of a Secret that is a source; the result
// goes to standard output, and everything else to standard error. The exit status is 0 for
// success, 1 if the answer is a finding, and 2 for an error, without an answer.
package cli
