// Package bundle defines [Spec], the internal form of a Bundle that every API kind and
// version is converted to, and builds the bundle itself: the ordered, deduplicated
// certificates of all sources.
//
// Invariants: the same input makes the same bundle, in the order of the sources (S1 to
// S3); a single missing or invalid source fails the whole build, and an error comes
// without a result, so that a bundle never shrinks silently. The package does no I/O,
// does not read the clock and does not log.
//
// It does not know what targets look like: package encode makes their files, and
// package target decides what they hold.
package bundle
