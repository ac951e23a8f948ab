// Package v1alpha1 is version v1alpha1 of the API group trust.cert-manager.io:
// the kind Bundle, with which a cluster's administrators say which certificate
// authorities the workloads of a cluster should trust.
//
// The types follow the Kubernetes API conventions and serialize to the same
// JSON as the API of the same name in cert-manager's trust-manager. The package
// holds types and nothing else, and depends on k8s.io/apimachinery only.
//
// # What the API server checks
//
// The markers in this package become the schema and the CEL rules of the
// CustomResourceDefinition, which controller-gen writes. Kubernetes 1.28 is the
// oldest version that takes it: the first in which a rule can name the field
// that it is about. The rules use no CEL function that is newer.
//
// With the CustomResourceDefinition alone, with no webhook running, an API
// server refuses every Bundle that breaks a rule, but for one that CEL cannot
// afford:
//
//   - Kubernetes takes at most 262144 bytes of annotations on one object, their
//     keys and values together. CEL holds each annotation asked for to that
//     limit, counted in characters. It does not add several annotations up,
//     since Kubernetes 1.28 refuses a rule with a sum over a map as too costly,
//     and does not count bytes, since the cost of that grows with the longest
//     value that the schema allows.
//
// And where CEL can afford a rule only within limits, the schema sets limits
// that Kubernetes itself does not have: at most 1000 labels on target objects,
// and at most 100 labels and 100 expressions in a selector.
//
// +kubebuilder:object:generate=true
// +groupName=trust.cert-manager.io
package v1alpha1
