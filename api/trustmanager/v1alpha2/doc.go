// Package v1alpha2 contains version v1alpha2 of the API group trust-manager.io. Its only
// kind, ClusterBundle, lets cluster administrators declare which certificate authorities the
// workloads of a cluster trust.
//
// The types serialize to the same JSON as the API of the same name that cert-manager's
// trust-manager has published, with the filters, exclusions, rotation and status of the
// Bundle of trust.cert-manager.io/v1alpha1 in addition. Those have the types of that version.
// The package contains only types and depends only on k8s.io/apimachinery and that version.
//
// # Validation
//
// The CustomResourceDefinition alone, without a running webhook, rejects what the rules of a
// Bundle reject, with the same two exceptions: the sum of the annotations of a target, and
// what a key store cannot hold. The rules require Kubernetes 1.28 or later.
//
// +kubebuilder:object:generate=true
// +groupName=trust-manager.io
package v1alpha2
