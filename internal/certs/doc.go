// Package certs parses PEM text (RFC 7468) into X.509 certificates (RFC 5280).
//
// Invariants: a text is accepted as a whole or not at all; every certificate and
// every problem carries its origin; no message contains any part of the text, which
// may be a private key by mistake. The package does no I/O, does not read the clock
// and does not log.
//
// It does not order, deduplicate or filter certificates; package bundle does.
package certs
