// Package webhook validates Bundles for the API server when they are created or
// changed. It rejects the few invalid Bundles that the rules of the
// CustomResourceDefinition cannot express, and warns about valid content that is
// usually a mistake.
//
// Invariants: an update that does not change the spec is never rejected, and neither is
// a deletion. A source that cannot be read never causes a rejection. No response
// contains data from a certificate, because authors of Bundles may lack the permission
// to read Secrets.
//
// refuse.go and warn.go contain the decisions and are pure. The webhook mutates nothing,
// and the reconcilers do not depend on it.
package webhook
