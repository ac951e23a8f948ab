// Package definition detects that the CustomResourceDefinition of an API kind is older than
// the operator: the API server then drops fields that users set, for example spec.exclude,
// and fields of the status.
//
// Invariants: the status of every Bundle names the first of these fields, and the log all of
// them, until the definition is upgraded, which needs no restart; an API server that does not
// answer changes nothing.
package definition
