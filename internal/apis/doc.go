// Package apis adapts the API kinds that define bundles to the operator: one [Adapter] for
// each kind and version. It is the only package of the operator, apart from the webhook,
// that knows the types of the API.
//
// Invariants: nothing that an adapter returns refers to an API version; converting
// an object does not change it, and two conversions of one object are equal.
package apis
