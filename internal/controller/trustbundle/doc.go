// Package trustbundle watches the ClusterTrustBundles of Kubernetes, which not every API server
// serves, and not always in the same version.
//
// The version is looked for while the operator runs: at the start, every 15 s while none is served,
// and as soon as the one that is watched is no longer served. This happens outside of the manager's
// caches, which would not start without the kind. Until all objects have been listed, and while
// the kind is not served, nothing is known of any object, and that is an error: a bundle must not
// shrink because its sources cannot be seen.
package trustbundle
