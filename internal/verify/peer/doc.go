// Package peer reads the certificates that a TLS server presents.
//
// Invariants: nothing is trusted, and no application data is sent or read: the connection is
// closed after the handshake. Everything that a server sends is bounded in size and time, and is
// quoted in messages.
//
// It does not verify the certificates; package verify does.
package peer
