// Package verify reports whether trusted certificates verify the chain that a TLS server presents,
// and if not, why: which CA is missing, where it is known, and what to change.
//
// Invariants: crypto/x509 alone decides whether a chain is trusted (RFC 5280, 6), and the diagnosis
// only explains its verdict; an untrusted [Result] has at least one [Fault]. The package does no
// I/O: it fetches neither missing certificates nor revocation lists, and takes the time as an
// argument. Input may be hostile: the number of signatures checked is bounded, and texts from
// certificates have no control characters.
//
// It does not check revocation.
package verify
