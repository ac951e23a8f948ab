// Package decode reads files of certificates in any common format. It is the reverse of package
// encode, and it also reads what keytool, openssl and browsers write.
//
// Invariants: a file is read as a whole or not at all; no error has a password or any part of the
// file, except the name of a JSON field; private keys are counted, and never decrypted or returned.
// The memory and the time for a hostile file are bounded: see [MaxSize] and [MaxIterations]. The
// package does no I/O, does not read the clock and does not log.
//
// It does not decide whether a certificate is trustworthy, and does not verify signatures.
package decode
