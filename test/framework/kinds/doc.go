// Package kinds lets one test prove a behaviour for Bundles and for ClusterBundles. A test
// writes Bundles, through a client that stores those of some names as the ClusterBundle that
// says the same.
//
// Invariant: what is read back equals what was written, apart from the order of kinds of
// sources, which a ClusterBundle defines: default CAs, objects, inline text.
package kinds
