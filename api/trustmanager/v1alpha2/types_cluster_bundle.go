package v1alpha2

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	trustv1alpha1 "trust-manager.io/api/trust/v1alpha1"
)

// ClusterBundle collects CA certificates from its sources and distributes the result to
// every namespace that its target selects, as a ConfigMap, a Secret or both, and to the
// whole cluster as a ClusterTrustBundle. The target objects have the name of the
// ClusterBundle.
//
// +kubebuilder:object:root=true
// +genclient
// +genclient:nonNamespaced
// +kubebuilder:resource:scope=Cluster,path=clusterbundles,singular=clusterbundle
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Synced",type=string,JSONPath=`.status.conditions[?(@.type=="Synced")].status`,description="Whether every target holds the current content"
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Synced")].reason`,description="The reason for the Synced status"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`,description="The time since the ClusterBundle was created"
// +kubebuilder:printcolumn:name="Certificates",type=integer,priority=1,JSONPath=`.status.inventory.certificates`,description="The number of certificates in the bundle"
// +kubebuilder:printcolumn:name="Targets",type=integer,priority=1,JSONPath=`.status.targets.synced`,description="The number of targets that hold the current content"
// +kubebuilder:printcolumn:name="Next Expiry",type=string,priority=1,JSONPath=`.status.inventory.nextExpiry.notAfter`,description="The time at which the next certificate expires"
// +kubebuilder:validation:XValidation:message="the name of a ClusterBundle with a target must have at most 63 characters, because it is the value of a label on every target object",rule="!has(self.spec) || !has(self.spec.target) || self.metadata.name.size() <= 63"
// +kubebuilder:validation:XValidation:fieldPath=".spec",message="a source of kind ConfigMap must not read the ConfigMap target of the same ClusterBundle: use another key, or another name for the ClusterBundle",rule="!has(self.spec) || !has(self.spec.target) || !has(self.spec.target.configMap) || !has(self.spec.sourceRefs) || !self.spec.sourceRefs.exists(s, s.kind == 'ConfigMap' && has(s.name) && s.name == self.metadata.name && has(s.key) && self.spec.target.configMap.data.exists(d, s.key == d.key || s.key.contains('*') && s.key.replace('*', \"\").size() <= d.key.size() && d.key.startsWith(s.key.substring(0, s.key.indexOf('*'))) && d.key.endsWith(s.key.substring(s.key.lastIndexOf('*') + 1)) || has(d.format) && d.format == 'HashedDirectory' && (s.key.matches('^[0-9a-f]{8}[.][0-9]+$') || s.key.contains('*') && s.key.matches('^[0-9a-f*]*[.*][0-9*]*$'))))"
// +kubebuilder:validation:XValidation:fieldPath=".spec",message="a source of kind Secret must not read the Secret target of the same ClusterBundle: use another key, or another name for the ClusterBundle",rule="!has(self.spec) || !has(self.spec.target) || !has(self.spec.target.secret) || !has(self.spec.sourceRefs) || !self.spec.sourceRefs.exists(s, s.kind == 'Secret' && has(s.name) && s.name == self.metadata.name && has(s.key) && self.spec.target.secret.data.exists(d, s.key == d.key || s.key.contains('*') && s.key.replace('*', \"\").size() <= d.key.size() && d.key.startsWith(s.key.substring(0, s.key.indexOf('*'))) && d.key.endsWith(s.key.substring(s.key.lastIndexOf('*') + 1)) || has(d.format) && d.format == 'HashedDirectory' && (s.key.matches('^[0-9a-f]{8}[.][0-9]+$') || s.key.contains('*') && s.key.matches('^[0-9a-f*]*[.*][0-9*]*$'))))"
// +kubebuilder:validation:XValidation:fieldPath=".spec",message="a source of kind ClusterTrustBundle must not read the ClusterTrustBundle target of the same ClusterBundle: use another source, or another name for the ClusterBundle",rule="!has(self.spec) || !has(self.spec.target) || !has(self.spec.target.clusterTrustBundle) || has(self.spec.target.clusterTrustBundle.signerName) || !has(self.spec.sourceRefs) || !self.spec.sourceRefs.exists(s, s.kind == 'ClusterTrustBundle' && has(s.name) && s.name == self.metadata.name)"
type ClusterBundle struct {
	metav1.TypeMeta `json:",inline"`

	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec defines the sources of the certificates and the targets to write.
	// +optional
	Spec ClusterBundleSpec `json:"spec,omitzero"`

	// status is the observed state of the ClusterBundle. The operator writes it.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status trustv1alpha1.BundleStatus `json:"status,omitzero"`
}

// ClusterBundleList is a list of ClusterBundles.
//
// +kubebuilder:object:root=true
type ClusterBundleList struct {
	metav1.TypeMeta `json:",inline"`

	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the ClusterBundles of the list.
	Items []ClusterBundle `json:"items"`
}

// ClusterBundleSpec defines the sources of a ClusterBundle's certificates and the targets to
// write. The bundle lists the certificates of the default CA package first, then those of
// sourceRefs in their order, then those of inLineCAs; a duplicate keeps its first position
// only.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:fieldPath=".sourceRefs",message="a ClusterBundle with a target needs a source: sourceRefs, inLineCAs, or defaultCAs with the provider System",rule="!has(self.target) || has(self.sourceRefs) && self.sourceRefs.size() > 0 || has(self.inLineCAs) || has(self.defaultCAs) && self.defaultCAs.provider == 'System'"
type ClusterBundleSpec struct {
	// sourceRefs are the objects to read certificates from, up to 100 of them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	SourceRefs []SourceRef `json:"sourceRefs,omitempty"`

	// defaultCAs adds the certificates of the operator's default CA package.
	// +optional
	DefaultCAs *DefaultCAs `json:"defaultCAs,omitempty"`

	// inLineCAs contains certificates in PEM format: 1 to 1048576 characters.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1048576
	InLineCAs *string `json:"inLineCAs,omitempty"`

	// filters define how to handle certificates that rarely belong in a trust
	// store. An unset filter follows the operator's flags
	// --filter-expired-certificates and --filter-non-ca-certs: Drop if the flag is
	// set, and Keep otherwise.
	// +optional
	Filters *trustv1alpha1.BundleFilters `json:"filters,omitempty"`

	// rotation keeps certificates in the bundle for a time after they were removed
	// from every source, so that workloads trust the old and the new CA side by side.
	// If unset, a certificate leaves the bundle together with its source. rotation
	// has no effect without a target.
	// +optional
	Rotation *trustv1alpha1.BundleRotation `json:"rotation,omitempty"`

	// exclude lists certificates that the bundle must not contain, even if a source
	// does: at most 100 entries, each of which matches one or more certificates. A
	// new entry takes effect immediately, even while a source is missing or invalid:
	// the last good bundle is then rewritten without the excluded certificates. A
	// bundle that would be left without any certificate is not written, and the
	// status reports it.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Exclude []trustv1alpha1.Exclusion `json:"exclude,omitempty"`

	// target defines the objects that the certificates are written to. A
	// ClusterBundle without a target is built and validated, but not written.
	// +optional
	Target *ClusterBundleTarget `json:"target,omitempty"`
}

// SourceRef refers to ConfigMaps or Secrets in the trust namespace, and to the keys to read
// from them, or to ClusterTrustBundles. Exactly one of name and selector must be set, or, for
// ClusterTrustBundles, exactly one of name and signerName.
//
// +structType=atomic
// +kubebuilder:validation:XValidation:message="exactly one of name and selector must be set",rule="self.kind == 'ClusterTrustBundle' || has(self.name) != has(self.selector)"
// +kubebuilder:validation:XValidation:message="exactly one of name and signerName must be set for the kind ClusterTrustBundle",rule="self.kind != 'ClusterTrustBundle' || has(self.name) != has(self.signerName)"
// +kubebuilder:validation:XValidation:fieldPath=".signerName",message="only the kind ClusterTrustBundle has a signer",rule="self.kind == 'ClusterTrustBundle' || !has(self.signerName)"
// +kubebuilder:validation:XValidation:fieldPath=".selector",message="selector selects among the objects of a signer, so it requires signerName for the kind ClusterTrustBundle",rule="self.kind != 'ClusterTrustBundle' || !has(self.selector) || has(self.signerName)"
// +kubebuilder:validation:XValidation:fieldPath=".optional",message="only the object of a name can be optional for the kind ClusterTrustBundle; a signer may have no object",rule="self.kind != 'ClusterTrustBundle' || !has(self.optional) || !self.optional || has(self.name)"
// +kubebuilder:validation:XValidation:fieldPath=".key",reason=FieldValueRequired,message="the key to read, or a pattern",rule="self.kind == 'ClusterTrustBundle' || has(self.key)"
// +kubebuilder:validation:XValidation:fieldPath=".key",message="a ClusterTrustBundle has no keys",rule="self.kind != 'ClusterTrustBundle' || !has(self.key)"
// +kubebuilder:validation:XValidation:fieldPath=".name",message="the name of a ConfigMap or Secret has at most 253 characters",rule="self.kind == 'ClusterTrustBundle' || !has(self.name) || self.name.size() <= 253"
type SourceRef struct {
	// kind is the kind of the objects: ConfigMap, Secret, or ClusterTrustBundle. Only those
	// ClusterTrustBundles that the operator's flag --cluster-trust-bundle-sources lists may
	// be read.
	// +required
	Kind SourceKind `json:"kind"`

	// name is the name of the object to read. While the object does not exist, the
	// ClusterBundle is not synced, unless the source is optional.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=825
	Name string `json:"name,omitempty"`

	// signerName selects the ClusterTrustBundles of a signer, in the order of their names. A
	// signer without an object is not an error. The API server's own CA is in the objects of
	// kubernetes.io/kube-apiserver-serving.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=571
	SignerName string `json:"signerName,omitempty"`

	// selector selects the objects to read by their labels. They are read in the
	// order of their names. A selector that matches no object is not an error. It
	// never matches the targets of this ClusterBundle; an empty selector matches every
	// other object. Among the ClusterTrustBundles of a signer, an unset one does too.
	// +optional
	// +structType=atomic
	Selector *trustv1alpha1.LabelSelector `json:"selector,omitempty"`

	// key is the key to read from the object's data, or a pattern: each * matches any
	// number of characters, and * alone for all keys. The keys that match are read in
	// sorted order. Every named or selected object must have one, unless the source is
	// optional. In a Secret of the type kubernetes.io/tls, a pattern must not match
	// tls.key, which is a private key. It is required, except for ClusterTrustBundles,
	// which have no keys.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9*]+$`
	Key string `json:"key,omitempty"`

	// optional, if true, allows the object or its keys to be missing: the source adds
	// nothing until they appear. Content that exists must still be valid.
	// +optional
	Optional bool `json:"optional,omitempty"`
}

// SourceKind is the kind of the objects that a SourceRef refers to.
//
// +kubebuilder:validation:Enum=ConfigMap;Secret;ClusterTrustBundle
type SourceKind string

// Kinds of sources.
const (
	// SourceConfigMap: ConfigMaps in the trust namespace.
	SourceConfigMap SourceKind = "ConfigMap"

	// SourceSecret: Secrets in the trust namespace.
	SourceSecret SourceKind = "Secret"

	// SourceClusterTrustBundle: ClusterTrustBundles.
	SourceClusterTrustBundle SourceKind = "ClusterTrustBundle"
)

// DefaultCAs configures the use of the operator's default CA package.
type DefaultCAs struct {
	// provider is System for the certificates of the package, and Disabled for none. With
	// System and without a package, the ClusterBundle is not synced.
	// +required
	Provider DefaultCAProvider `json:"provider"`
}

// DefaultCAProvider is where default CAs come from.
//
// +kubebuilder:validation:Enum=System;Disabled
type DefaultCAProvider string

// Providers of default CAs.
const (
	// DefaultCAProviderSystem: the operator's default CA package.
	DefaultCAProviderSystem DefaultCAProvider = "System"

	// DefaultCAProviderDisabled: no default CAs.
	DefaultCAProviderDisabled DefaultCAProvider = "Disabled"
)
