// Package encode encodes the certificates of a bundle as the files of a target.
//
// Invariants: the same certificates and options make the same file, byte for byte, in
// every process; aliases and friendly names do not depend on the compiler. The package
// does no I/O, does not read the clock and does not log.
//
// It does not decide which files a target has; package target does.
package encode
