// Package serving maintains the webhook's certificate if no other component does. It
// creates a CA and a serving certificate, stores them in one Secret, renews them in time,
// and makes the API server trust the CA.
//
// Invariants: a certificate is served only if the caBundle in the cluster covers it. A CA
// stays in the caBundle for as long as a certificate that it issued can be in use.
// Replicas coordinate through the resource versions of the two objects, without a leader.
// Logs and errors contain no private key material.
//
// decide.go decides what to create, and show.go what to serve; both are pure. The
// [Keeper] reads, writes and waits. Package webhook runs the server.
package serving
