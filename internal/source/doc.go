// Package source reads the sources of bundles: ConfigMaps and Secrets in the trust
// namespace, and the default CA package.
//
// Invariants: objects are read only in the trust namespace, whatever a Bundle contains.
// A source that does not exist is a problem with an origin, not an error. An error means
// that the read itself failed and should be retried.
//
// Package bundle parses the sources.
package source
