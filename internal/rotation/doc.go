// Package rotation encodes the rotation state of a Bundle (bundle.State) as a ConfigMap
// that users can read and edit, and decodes it.
//
// Invariants: a retained certificate is decoded only if its fingerprint matches its key;
// unreadable content is reported, adds nothing to the state, and is preserved; the same
// state always has the same encoding. The package does no I/O, does not read the clock and
// does not log.
//
// It does not decide which certificates are retained, or why; package bundle does. Package store, below this folder, reads
// and writes the ConfigMap.
package rotation
