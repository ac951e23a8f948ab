// Package status writes the status of each Bundle and emits its events. No other package
// reports the progress of a bundle to users.
//
// Invariants: a status is written only when it changes, and at most about once a second per
// Bundle; it is written only to the Bundle with the UID that it describes.
//
// Package ledger decides what a status contains.
package status
