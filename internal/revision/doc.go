// Package revision holds the active revision of each bundle, for the controllers.
//
// Invariants: a revision number is never used twice; a revision is never changed
// once it is stored.
package revision
