// Package ca creates certificates for tests.
//
// [New] returns a certificate authority with a key of its own, and [Fixed] one that has
// the same bytes in every run. [CA.Issue] returns a certificate that a CA has signed, for
// example of a server. Each takes functions that change the template, such as [Named],
// [NotCA] or [ForHosts].
//
// A failure panics, since a test cannot continue without its certificates.
package ca
