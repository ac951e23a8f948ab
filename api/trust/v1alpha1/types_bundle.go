package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Bundle collects CA certificates from its sources and distributes the result to
// every namespace that its target selects, as a ConfigMap, a Secret or both, and to the
// whole cluster as a ClusterTrustBundle. The target objects have the name of the Bundle.
//
// +kubebuilder:object:root=true
// +genclient
// +genclient:nonNamespaced
// +kubebuilder:resource:scope=Cluster,path=bundles,singular=bundle
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="ConfigMap Target",type=string,JSONPath=`.spec.target.configMap.key`,description="The key of the certificates in ConfigMap targets"
// +kubebuilder:printcolumn:name="Secret Target",type=string,JSONPath=`.spec.target.secret.key`,description="The key of the certificates in Secret targets"
// +kubebuilder:printcolumn:name="Synced",type=string,JSONPath=`.status.conditions[?(@.type=="Synced")].status`,description="Whether every target holds the current content"
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Synced")].reason`,description="The reason for the Synced status"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`,description="The time since the Bundle was created"
// +kubebuilder:printcolumn:name="Certificates",type=integer,priority=1,JSONPath=`.status.inventory.certificates`,description="The number of certificates in the bundle"
// +kubebuilder:printcolumn:name="Targets",type=integer,priority=1,JSONPath=`.status.targets.synced`,description="The number of targets that hold the current content"
// +kubebuilder:printcolumn:name="Next Expiry",type=string,priority=1,JSONPath=`.status.inventory.nextExpiry.notAfter`,description="The time at which the next certificate expires"
// +kubebuilder:validation:XValidation:message="the name of a Bundle with a target must have at most 63 characters, because it is the value of a label on every target object",rule="!has(self.spec.target) || self.metadata.name.size() <= 63"
// +kubebuilder:validation:XValidation:fieldPath=".spec",message="a configMap source must not read the ConfigMap target of the same Bundle: use another key, or another name for the Bundle",rule="!has(self.spec.target) || !has(self.spec.target.configMap) || !self.spec.sources.exists(s, has(s.configMap) && has(s.configMap.name) && s.configMap.name == self.metadata.name && (has(s.configMap.includeAllKeys) && s.configMap.includeAllKeys || has(s.configMap.key) && s.configMap.key == self.spec.target.configMap.key))"
// +kubebuilder:validation:XValidation:fieldPath=".spec",message="a configMap source must not read an additional format in the ConfigMap target of the same Bundle: use another key, or another name for the Bundle",rule="!has(self.spec.target) || !has(self.spec.target.configMap) || !has(self.spec.target.additionalFormats) || !self.spec.sources.exists(s, has(s.configMap) && has(s.configMap.name) && s.configMap.name == self.metadata.name && has(s.configMap.key) && (has(self.spec.target.additionalFormats.jks) && s.configMap.key == self.spec.target.additionalFormats.jks.key || has(self.spec.target.additionalFormats.pkcs12) && s.configMap.key == self.spec.target.additionalFormats.pkcs12.key || has(self.spec.target.additionalFormats.hashedDirectory) && s.configMap.key.matches('^[0-9a-f]{8}[.][0-9]+$')))"
// +kubebuilder:validation:XValidation:fieldPath=".spec",message="a secret source must not read the Secret target of the same Bundle: use another key, or another name for the Bundle",rule="!has(self.spec.target) || !has(self.spec.target.secret) || !self.spec.sources.exists(s, has(s.secret) && has(s.secret.name) && s.secret.name == self.metadata.name && (has(s.secret.includeAllKeys) && s.secret.includeAllKeys || has(s.secret.key) && s.secret.key == self.spec.target.secret.key))"
// +kubebuilder:validation:XValidation:fieldPath=".spec",message="a secret source must not read an additional format in the Secret target of the same Bundle: use another key, or another name for the Bundle",rule="!has(self.spec.target) || !has(self.spec.target.secret) || !has(self.spec.target.additionalFormats) || !self.spec.sources.exists(s, has(s.secret) && has(s.secret.name) && s.secret.name == self.metadata.name && has(s.secret.key) && (has(self.spec.target.additionalFormats.jks) && s.secret.key == self.spec.target.additionalFormats.jks.key || has(self.spec.target.additionalFormats.pkcs12) && s.secret.key == self.spec.target.additionalFormats.pkcs12.key || has(self.spec.target.additionalFormats.hashedDirectory) && s.secret.key.matches('^[0-9a-f]{8}[.][0-9]+$')))"
// +kubebuilder:validation:XValidation:fieldPath=".spec",message="a clusterTrustBundle source must not read the ClusterTrustBundle target of the same Bundle: use another source, or another name for the Bundle",rule="!has(self.spec.target) || !has(self.spec.target.clusterTrustBundle) || has(self.spec.target.clusterTrustBundle.signerName) || !self.spec.sources.exists(s, has(s.clusterTrustBundle) && has(s.clusterTrustBundle.name) && s.clusterTrustBundle.name == self.metadata.name)"
type Bundle struct {
	metav1.TypeMeta `json:",inline"`

	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec defines the sources of the certificates and the targets to write.
	// +required
	Spec BundleSpec `json:"spec"`

	// status is the observed state of the Bundle. The operator writes it.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status BundleStatus `json:"status,omitzero"`
}

// BundleList is a list of Bundles.
//
// +kubebuilder:object:root=true
type BundleList struct {
	metav1.TypeMeta `json:",inline"`

	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the Bundles of the list.
	Items []Bundle `json:"items"`
}

// BundleSpec defines the sources of a Bundle's certificates and the targets to
// write.
type BundleSpec struct {
	// sources are the sources of the certificates, 1 to 100 of them. The
	// bundle lists the certificates in the order of the sources; a duplicate keeps
	// its first position only.
	// At most one source may be useDefaultCAs, and at least one source must be
	// something other than useDefaultCAs: false, which adds no certificates.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:XValidation:message="at least one source must be something other than useDefaultCAs: false, which adds no certificates",rule="self.exists(s, !has(s.useDefaultCAs) || s.useDefaultCAs)"
	// +kubebuilder:validation:XValidation:message="at most one source may be useDefaultCAs",rule="self.filter(s, has(s.useDefaultCAs)).size() <= 1"
	Sources []BundleSource `json:"sources"`

	// filters define how to handle certificates that rarely belong in a trust
	// store. An unset filter follows the operator's flags
	// --filter-expired-certificates and --filter-non-ca-certs: Drop if the flag is
	// set, and Keep otherwise.
	// +optional
	Filters *BundleFilters `json:"filters,omitempty"`

	// rotation keeps certificates in the bundle for a time after they were removed
	// from every source, so that workloads trust the old and the new CA side by side.
	// If unset, a certificate leaves the bundle together with its source. rotation
	// has no effect without a target.
	// +optional
	Rotation *BundleRotation `json:"rotation,omitempty"`

	// exclude lists certificates that the bundle must not contain, even if a source
	// does: at most 100 entries, each of which matches one or more certificates. A
	// new entry takes effect immediately, even while a source is missing or invalid:
	// the last good bundle is then rewritten without the excluded certificates. A
	// bundle that would be left without any certificate is not written, and the
	// status reports it.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Exclude []Exclusion `json:"exclude,omitempty"`

	// target defines the objects that the certificates are written to. A Bundle
	// without a target is built and validated, but not written.
	// +optional
	Target *BundleTarget `json:"target,omitempty"`
}

// BundleSource is one source of certificates. Exactly one field must be set.
//
// +kubebuilder:validation:XValidation:message="exactly one of configMap, secret, clusterTrustBundle, inLine and useDefaultCAs must be set",rule="[has(self.configMap), has(self.secret), has(self.clusterTrustBundle), has(self.inLine), has(self.useDefaultCAs)].exists_one(x, x)"
type BundleSource struct {
	// configMap reads certificates from ConfigMaps in the trust namespace.
	// +optional
	ConfigMap *SourceObject `json:"configMap,omitempty"`

	// secret reads certificates from Secrets in the trust namespace.
	// +optional
	Secret *SourceObject `json:"secret,omitempty"`

	// clusterTrustBundle reads certificates from ClusterTrustBundles. Only those that
	// the operator's flag --cluster-trust-bundle-sources lists may be read.
	// +optional
	ClusterTrustBundle *ClusterTrustBundleSource `json:"clusterTrustBundle,omitempty"`

	// inLine contains certificates in PEM format: 1 to 1048576 characters.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1048576
	InLine *string `json:"inLine,omitempty"`

	// useDefaultCAs, if true, adds the certificates of the operator's default CA
	// package. If false, the source adds nothing.
	// +optional
	UseDefaultCAs *bool `json:"useDefaultCAs,omitempty"`
}

// SourceObject selects ConfigMaps or Secrets in the trust namespace, and the keys
// to read from them. Exactly one of name and selector must be set, and exactly one
// of key and includeAllKeys.
//
// +kubebuilder:validation:XValidation:message="exactly one of name and selector must be set",rule="has(self.name) != has(self.selector)"
// +kubebuilder:validation:XValidation:message="exactly one of key and includeAllKeys: true must be set",rule="has(self.key) != (has(self.includeAllKeys) && self.includeAllKeys)"
type SourceObject struct {
	// name is the name of the object to read. While the object does not exist, the
	// Bundle is not synced, unless the source is optional.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// selector selects the objects to read by their labels. They are read in the
	// order of their names. A selector that matches no object is not an error. It
	// never matches the targets of this Bundle; an empty selector matches every other
	// object.
	// +optional
	Selector *LabelSelector `json:"selector,omitempty"`

	// key is the key to read from the object's data. Every named or selected object
	// must have it, unless the source is optional.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key,omitempty"`

	// includeAllKeys, if true, reads all keys in the object's data, in sorted order.
	// Every value must be in PEM format. It is rejected for Secrets of the type
	// kubernetes.io/tls, because they contain a private key.
	// +optional
	IncludeAllKeys bool `json:"includeAllKeys,omitempty"`

	// optional, if true, allows the object or its key to be missing: the source adds
	// nothing until it appears. Content that exists must still be valid.
	// +optional
	Optional bool `json:"optional,omitempty"`
}

// BundleTarget defines the objects that the certificates are written to. At least
// one of configMap, secret and clusterTrustBundle must be set.
//
// +kubebuilder:validation:XValidation:message="at least one of configMap, secret and clusterTrustBundle must be set",rule="has(self.configMap) || has(self.secret) || has(self.clusterTrustBundle)"
// +kubebuilder:validation:XValidation:fieldPath=".additionalFormats",message="only configMap and secret targets have additional formats",rule="!has(self.additionalFormats) || !has(self.clusterTrustBundle) || has(self.configMap) || has(self.secret)"
// +kubebuilder:validation:XValidation:fieldPath=".additionalFormats.jks.key",message="the jks key must differ from the keys of configMap and secret",rule="!has(self.additionalFormats) || !has(self.additionalFormats.jks) || (!has(self.configMap) || self.configMap.key != self.additionalFormats.jks.key) && (!has(self.secret) || self.secret.key != self.additionalFormats.jks.key)"
// +kubebuilder:validation:XValidation:fieldPath=".additionalFormats.pkcs12.key",message="the pkcs12 key must differ from the keys of configMap and secret",rule="!has(self.additionalFormats) || !has(self.additionalFormats.pkcs12) || (!has(self.configMap) || self.configMap.key != self.additionalFormats.pkcs12.key) && (!has(self.secret) || self.secret.key != self.additionalFormats.pkcs12.key)"
// +kubebuilder:validation:XValidation:fieldPath=".additionalFormats.hashedDirectory",message="no other key may have the form of the keys of hashedDirectory: 8 hexadecimal digits, a dot and a number",rule="!has(self.additionalFormats) || !has(self.additionalFormats.hashedDirectory) || [has(self.configMap) ? self.configMap.key : \"\", has(self.secret) ? self.secret.key : \"\", has(self.additionalFormats.jks) ? self.additionalFormats.jks.key : \"\", has(self.additionalFormats.pkcs12) ? self.additionalFormats.pkcs12.key : \"\"].all(k, !k.matches('^[0-9a-f]{8}[.][0-9]+$'))"
type BundleTarget struct {
	// configMap writes the certificates to a ConfigMap in every selected namespace.
	// The ConfigMap has the name of the Bundle.
	// +optional
	ConfigMap *TargetObject `json:"configMap,omitempty"`

	// secret writes the certificates to a Secret in every selected namespace. The
	// Secret has the name of the Bundle. The operator must run with
	// --secret-targets-enabled.
	// +optional
	Secret *TargetObject `json:"secret,omitempty"`

	// clusterTrustBundle writes the certificates to one ClusterTrustBundle, which pods in
	// all namespaces can mount. The operator must run with
	// --cluster-trust-bundles-enabled.
	// +optional
	ClusterTrustBundle *ClusterTrustBundleTarget `json:"clusterTrustBundle,omitempty"`

	// additionalFormats also writes the certificates in other formats, under additional
	// keys of the ConfigMaps and Secrets.
	// +optional
	AdditionalFormats *AdditionalFormats `json:"additionalFormats,omitempty"`

	// namespaceSelector selects the namespaces to write ConfigMaps and Secrets to by
	// their labels. An unset or empty selector selects every namespace.
	// +optional
	NamespaceSelector *LabelSelector `json:"namespaceSelector,omitempty"`

	// overwrite allows the operator to replace different content that an object already
	// has under a key of this Bundle when it becomes a target. Otherwise the target
	// fails and the object is not changed, unless it has the annotation
	// trust.cert-manager.io/adopt with the value "true". A ClusterTrustBundle that
	// existed before is never changed.
	// +optional
	Overwrite bool `json:"overwrite,omitempty"`

	// deletionPolicy defines what happens to the target objects when the Bundle is
	// deleted. Delete, the default, deletes them. Orphan keeps them with their
	// content, however the Bundle is deleted, and a Bundle that is created again under
	// the name takes them over. Both policies remove the targets from namespaces that
	// are no longer selected.
	// +optional
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`
}

// DeletionPolicy defines what happens to the target objects of a deleted Bundle.
// +kubebuilder:validation:Enum=Delete;Orphan
type DeletionPolicy string

// Deletion policies.
const (
	// DeletionPolicyDelete: the target objects are deleted.
	DeletionPolicyDelete DeletionPolicy = "Delete"

	// DeletionPolicyOrphan: the target objects stay.
	DeletionPolicyOrphan DeletionPolicy = "Orphan"
)

// TargetObject defines the target objects of one kind.
type TargetObject struct {
	// key is the key in the object's data that holds the certificates in PEM format.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key"`

	// metadata is added to the target objects, in addition to the operator's own
	// labels and annotations.
	// +optional
	Metadata TargetMetadata `json:"metadata,omitzero"`
}

// TargetMetadata contains annotations and labels for target objects. Keys under
// the prefixes trust.cert-manager.io/ and trust-manager.io/ are reserved for the
// operator and are rejected.
//
// +kubebuilder:object:generate=false
type TargetMetadata struct {
	// annotations are added to the target objects. Keys and values follow the rules
	// of Kubernetes, which allows at most 262144 bytes of annotations on one object.
	// +optional
	// +kubebuilder:validation:XValidation:message="keys under trust.cert-manager.io/ and trust-manager.io/ belong to the operator",rule="self.all(k, !k.startsWith('trust.cert-manager.io/') && !k.startsWith('trust-manager.io/'))"
	// +kubebuilder:validation:XValidation:message="an annotation key must be a name of at most 63 letters, digits, '-', '_' and '.' that starts and ends with a letter or digit, optionally after a DNS name of at most 253 characters and '/'",rule="self.all(k, k.indexOf('/') <= 253 && k.matches(r'^([^\\W_]+((-+|\\.)[^\\W_]+)*/)?[^\\W_]([-\\w.]{0,61}[^\\W_])?$'))"
	// +kubebuilder:validation:XValidation:message="an annotation must have at most 262144 characters, key and value together, because Kubernetes accepts no more on one object",rule="self.all(k, k.size() + self[k].size() <= 262144)"
	Annotations map[string]string `json:"annotations,omitempty"`

	// labels are added to the target objects, at most 1000 of them. Keys and values
	// follow the rules of Kubernetes.
	// +optional
	// +kubebuilder:validation:MaxProperties=1000
	// +kubebuilder:validation:XValidation:message="keys under trust.cert-manager.io/ and trust-manager.io/ belong to the operator",rule="self.all(k, !k.startsWith('trust.cert-manager.io/') && !k.startsWith('trust-manager.io/'))"
	// +kubebuilder:validation:XValidation:message="a label key must be a name of at most 63 letters, digits, '-', '_' and '.' that starts and ends with a letter or digit, optionally after a lower-case DNS name of at most 253 characters and '/'",rule="self.all(k, k.indexOf('/') <= 253 && k.matches(r'^([a-z\\d]+((-+|\\.)[a-z\\d]+)*/)?[^\\W_]([-\\w.]{0,61}[^\\W_])?$'))"
	// +kubebuilder:validation:XValidation:message="a label value must be empty, or at most 63 letters, digits, '-', '_' and '.' that start and end with a letter or digit",rule="self.all(k, self[k].matches(r'^([^\\W_]([-\\w.]{0,61}[^\\W_])?)?$'))"
	Labels map[string]LabelValue `json:"labels,omitempty"`
}

// BundleStatus is the observed state of a Bundle.
type BundleStatus struct {
	// observedGeneration is the generation of the Bundle that the status describes. It
	// is -1 until the operator has written the first status, so that programs that wait
	// for a Bundle do not take a new one for finished.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions describe the state of the Bundle, at most 10 of them. Synced is True
	// once every target holds the bundle, stays True while a later change rolls out,
	// and is False after a failure, which its reason and message explain. Ready is True
	// while every target holds the content of the current generation. Reconciling is
	// present while the operator continues by itself, and Stalled while it waits for a
	// person. ExpiringSoon is True while a certificate of the bundle has expired or
	// expires within 30 days, and otherwise False or absent.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=10
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// digest is the SHA-256 of the current PEM file, 64 hexadecimal digits in lower
	// case. It is unset if the Bundle has no target.
	// +optional
	// +kubebuilder:validation:Pattern="^[0-9a-f]{64}$"
	Digest string `json:"digest,omitempty"`

	// lastChanged is when the digest last changed. It is unset if an operator that did
	// not record the time made the last change.
	// +optional
	LastChanged *metav1.Time `json:"lastChanged,omitempty"`

	// defaultCAVersion is the ID of the default CA package whose certificates are in
	// the bundle. It is unset if the Bundle does not use the package.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	DefaultCAVersion string `json:"defaultCAVersion,omitempty"`

	// inventory summarizes the active bundle: the last one that was built
	// successfully, even if a later build fails.
	// +optional
	// +structType=atomic
	Inventory *BundleInventory `json:"inventory,omitempty"`

	// targets counts the targets of the active bundle.
	// +optional
	// +structType=atomic
	Targets *TargetCounts `json:"targets,omitempty"`
}
