package v1alpha1

// ClusterTrustBundleSource selects ClusterTrustBundles (certificates.k8s.io). Exactly one of
// name and signerName must be set.
//
// +kubebuilder:validation:XValidation:message="exactly one of name and signerName must be set",rule="has(self.name) != has(self.signerName)"
// +kubebuilder:validation:XValidation:fieldPath=".selector",message="selector selects among the objects of a signer, so it requires signerName",rule="!has(self.selector) || has(self.signerName)"
// +kubebuilder:validation:XValidation:fieldPath=".optional",message="only the object of a name can be optional; a signer may have no object",rule="!has(self.optional) || !self.optional || has(self.name)"
type ClusterTrustBundleSource struct {
	// name is the name of the object to read. While the object does not exist, the
	// Bundle is not synced, unless the source is optional.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=825
	Name string `json:"name,omitempty"`

	// signerName selects the objects of a signer, in the order of their names. A signer
	// without an object is not an error. The API server's own CA is in the objects of
	// kubernetes.io/kube-apiserver-serving.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=571
	SignerName string `json:"signerName,omitempty"`

	// selector selects among the objects of the signer by their labels. If it is unset
	// or empty, all of them are read.
	// +optional
	Selector *LabelSelector `json:"selector,omitempty"`

	// optional, if true, allows the object to be missing: the source adds nothing until
	// it appears.
	// +optional
	Optional bool `json:"optional,omitempty"`
}

// ClusterTrustBundleTarget defines the ClusterTrustBundle (certificates.k8s.io) of a bundle.
// Every certificate must be a CA by its basic constraints, as the API server requires.
//
// +kubebuilder:validation:XValidation:fieldPath=".signerName",message="signerName is immutable, because it is part of the object's name; remove the target first, or use another name",rule="has(self.signerName) == has(oldSelf.signerName) && (!has(self.signerName) || self.signerName == oldSelf.signerName)"
type ClusterTrustBundleTarget struct {
	// signerName associates the object with a signer, such as example.com/my-signer: a
	// domain with at least one dot, a slash, and a path. The name of the object is then
	// that of the signer, with : instead of /, a : and the name of the bundle. The
	// operator must have the permission to attest for the signer. It cannot be changed.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=571
	// +kubebuilder:validation:XValidation:message="a signer has a domain with at least one dot, a slash, and a path, in lower case, such as example.com/my-signer",rule="self.indexOf('/') <= 253 && self.matches(r'^[a-z\\d]([-a-z\\d]{0,61}[a-z\\d])?([.][a-z\\d]([-a-z\\d]{0,61}[a-z\\d])?)+/[a-z\\d]([-a-z\\d]{0,251}[a-z\\d])?([.][a-z\\d]([-a-z\\d]{0,251}[a-z\\d])?)*$')"
	SignerName string `json:"signerName,omitempty"`

	// metadata is added to the object, in addition to the operator's own labels and
	// annotations.
	// +optional
	Metadata TargetMetadata `json:"metadata,omitzero"`
}
