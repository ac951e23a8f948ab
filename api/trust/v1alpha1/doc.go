// Package v1alpha1 contains version v1alpha1 of the API group
// trust.cert-manager.io. Its only kind, Bundle, lets cluster administrators
// declare which certificate authorities the workloads of a cluster trust.
//
// The types follow the Kubernetes API conventions and serialize to the same
// JSON as the API of the same name in cert-manager's trust-manager. The package
// contains only types and depends only on k8s.io/apimachinery.
//
// # Validation
//
// controller-gen turns the markers in this package into the schema and the CEL
// rules of the CustomResourceDefinition. They require Kubernetes 1.28 or later,
// the first version in which a rule can set the field path of its error, and
// use no CEL function that is newer.
//
// The CustomResourceDefinition alone, without a running webhook, rejects every
// Bundle that breaks a rule, with one exception, which is too expensive for CEL:
//
//   - Kubernetes limits the annotations of an object to 262144 bytes, keys and
//     values together. CEL applies that limit to each requested annotation by
//     itself, counted in characters. It does not add up several annotations,
//     because Kubernetes 1.28 rejects a rule with a sum over a map as too costly,
//     and it does not count bytes, because the cost of counting grows with the
//     longest value that the schema allows.
//
// To keep the CEL cost within bounds, the schema also sets limits that
// Kubernetes itself does not have: at most 1000 labels on target objects, and at
// most 100 labels and 100 expressions in a selector.
//
// +kubebuilder:object:generate=true
// +groupName=trust.cert-manager.io
package v1alpha1
