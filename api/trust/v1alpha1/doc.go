// Package v1alpha1 is version v1alpha1 of the API group trust.cert-manager.io:
// the kind Bundle, with which a cluster's administrators say which certificate
// authorities the workloads of a cluster should trust.
//
// The types follow the Kubernetes API conventions and serialize to the same
// JSON as the API of the same name in cert-manager's trust-manager. The package
// holds types and nothing else, and depends on k8s.io/apimachinery only.
//
// +kubebuilder:object:generate=true
// +groupName=trust.cert-manager.io
package v1alpha1
