// Package store loads and saves the rotation states of Bundles, which are ConfigMaps in the
// trust namespace.
//
// Invariants: a state that this process has saved is never replaced by an older one
// from a cache that lags behind; an object of an earlier Bundle of the same name is not
// that of this one; a foreign change is not overwritten unread.
package store
