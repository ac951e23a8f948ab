package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Bundle gathers CA certificates from its sources and keeps a copy of the result
// in every namespace that its target selects, as a ConfigMap, a Secret or both,
// each named like the Bundle.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,path=bundles,singular=bundle
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="ConfigMap Target",type=string,JSONPath=`.spec.target.configMap.key`,description="The key that holds the certificates in ConfigMap targets"
// +kubebuilder:printcolumn:name="Secret Target",type=string,JSONPath=`.spec.target.secret.key`,description="The key that holds the certificates in Secret targets"
// +kubebuilder:printcolumn:name="Synced",type=string,JSONPath=`.status.conditions[?(@.type=="Synced")].status`,description="Whether every target holds the current content"
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Synced")].reason`,description="Why the Bundle is synced or not"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`,description="The time since the Bundle was created"
// +kubebuilder:printcolumn:name="Certificates",type=integer,priority=1,JSONPath=`.status.inventory.certificates`,description="How many certificates are in the bundle"
// +kubebuilder:printcolumn:name="Targets",type=integer,priority=1,JSONPath=`.status.targets.synced`,description="How many targets hold the current bundle"
// +kubebuilder:printcolumn:name="Next Expiry",type=string,priority=1,JSONPath=`.status.inventory.nextExpiry.notAfter`,description="When the first of the certificates expires"
// +kubebuilder:validation:XValidation:message="the name of a Bundle with a target must have at most 63 characters, because it is the value of a label on every target object",rule="!has(self.spec.target) || self.metadata.name.size() <= 63"
// +kubebuilder:validation:XValidation:fieldPath=".spec",message="a configMap source must not read the ConfigMap target of this same Bundle: name another object, or another key",rule="!has(self.spec.target) || !has(self.spec.target.configMap) || !self.spec.sources.exists(s, has(s.configMap) && has(s.configMap.name) && s.configMap.name == self.metadata.name && (has(s.configMap.includeAllKeys) && s.configMap.includeAllKeys || has(s.configMap.key) && s.configMap.key == self.spec.target.configMap.key))"
// +kubebuilder:validation:XValidation:fieldPath=".spec",message="a configMap source must not read a key store in the ConfigMap target of this same Bundle: name another object, or another key",rule="!has(self.spec.target) || !has(self.spec.target.configMap) || !has(self.spec.target.additionalFormats) || !self.spec.sources.exists(s, has(s.configMap) && has(s.configMap.name) && s.configMap.name == self.metadata.name && has(s.configMap.key) && (has(self.spec.target.additionalFormats.jks) && s.configMap.key == self.spec.target.additionalFormats.jks.key || has(self.spec.target.additionalFormats.pkcs12) && s.configMap.key == self.spec.target.additionalFormats.pkcs12.key))"
// +kubebuilder:validation:XValidation:fieldPath=".spec",message="a secret source must not read the Secret target of this same Bundle: name another object, or another key",rule="!has(self.spec.target) || !has(self.spec.target.secret) || !self.spec.sources.exists(s, has(s.secret) && has(s.secret.name) && s.secret.name == self.metadata.name && (has(s.secret.includeAllKeys) && s.secret.includeAllKeys || has(s.secret.key) && s.secret.key == self.spec.target.secret.key))"
// +kubebuilder:validation:XValidation:fieldPath=".spec",message="a secret source must not read a key store in the Secret target of this same Bundle: name another object, or another key",rule="!has(self.spec.target) || !has(self.spec.target.secret) || !has(self.spec.target.additionalFormats) || !self.spec.sources.exists(s, has(s.secret) && has(s.secret.name) && s.secret.name == self.metadata.name && has(s.secret.key) && (has(self.spec.target.additionalFormats.jks) && s.secret.key == self.spec.target.additionalFormats.jks.key || has(self.spec.target.additionalFormats.pkcs12) && s.secret.key == self.spec.target.additionalFormats.pkcs12.key))"
type Bundle struct {
	metav1.TypeMeta `json:",inline"`

	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says where the certificates come from and where they go.
	// +required
	Spec BundleSpec `json:"spec"`

	// status says how far the targets have come. It is written by the operator.
	// +optional
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

// BundleSpec says where the certificates of a Bundle come from and where they
// go.
type BundleSpec struct {
	// sources are where the certificates come from, between 1 and 100 of them.
	// Their order is the order of the certificates in the result; a certificate
	// that appears more than once is kept at its first place only.
	// At most one source may be useDefaultCAs, and a Bundle needs a source other
	// than useDefaultCAs: false, which counts as none.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:XValidation:message="at least one source must be something else than useDefaultCAs: false, which adds no certificates",rule="self.exists(s, !has(s.useDefaultCAs) || s.useDefaultCAs)"
	// +kubebuilder:validation:XValidation:message="at most one source may be useDefaultCAs",rule="self.filter(s, has(s.useDefaultCAs)).size() <= 1"
	Sources []BundleSource `json:"sources"`

	// filters say what becomes of certificates that seldom belong into a trust
	// store. What is unset is for the operator's flags
	// --filter-expired-certificates and --filter-non-ca-certs to say: Drop where
	// the flag is set, and Keep otherwise.
	// +optional
	Filters *BundleFilters `json:"filters,omitempty"`

	// rotation keeps certificates in the bundle for a while after they have left every
	// source, so that an old and a new CA are trusted side by side. Without it, a
	// certificate leaves with its source. It needs a target.
	// +optional
	Rotation *BundleRotation `json:"rotation,omitempty"`

	// exclude names certificates that are never in the bundle, whatever the sources
	// say: at most 100 entries, each of which names one or several certificates. A
	// new entry takes effect at once, also while a source is missing or invalid: the
	// last good bundle is then written without what is excluded. What would leave no
	// certificate at all is not written, and the status says so.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Exclude []Exclusion `json:"exclude,omitempty"`

	// target is where the certificates go. A Bundle without a target is built
	// and checked, but written nowhere.
	// +optional
	Target *BundleTarget `json:"target,omitempty"`
}

// BundleSource is one place that certificates come from. Exactly one field is
// set.
//
// +kubebuilder:validation:XValidation:message="exactly one of configMap, secret, inLine and useDefaultCAs must be set",rule="[has(self.configMap), has(self.secret), has(self.inLine), has(self.useDefaultCAs)].exists_one(x, x)"
type BundleSource struct {
	// configMap reads certificates from ConfigMaps in the trust namespace.
	// +optional
	ConfigMap *SourceObject `json:"configMap,omitempty"`

	// secret reads certificates from Secrets in the trust namespace.
	// +optional
	Secret *SourceObject `json:"secret,omitempty"`

	// inLine is certificates in PEM form, written into the Bundle itself: 1 to
	// 1048576 characters.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1048576
	InLine *string `json:"inLine,omitempty"`

	// useDefaultCAs, if true, adds the certificates of the default CA package
	// that the operator was started with. The value false adds nothing, as if
	// the source were not there.
	// +optional
	UseDefaultCAs *bool `json:"useDefaultCAs,omitempty"`
}

// SourceObject says which ConfigMaps or Secrets of the trust namespace to read,
// and which of their keys. Exactly one of name and selector is set, and either
// key or includeAllKeys.
//
// +kubebuilder:validation:XValidation:message="exactly one of name and selector must be set",rule="has(self.name) != has(self.selector)"
// +kubebuilder:validation:XValidation:message="either key must be set or includeAllKeys be true, and not both",rule="has(self.key) != (has(self.includeAllKeys) && self.includeAllKeys)"
type SourceObject struct {
	// name is the name of the object to read. The Bundle is not synced while
	// there is no such object, unless the source is optional.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// selector reads every object with matching labels, in the order of their
	// names. It may match no object. It never matches what this Bundle itself
	// has written; an empty selector matches every other object.
	// +optional
	Selector *LabelSelector `json:"selector,omitempty"`

	// key is the key in the object's data whose value is read. Every object that
	// is read must have it, unless the source is optional.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key,omitempty"`

	// includeAllKeys, if true, reads the values of all keys in the object's
	// data, in the order of the keys, each of which must be in PEM form. It is
	// refused for Secrets of the type kubernetes.io/tls, which hold a private
	// key.
	// +optional
	IncludeAllKeys bool `json:"includeAllKeys,omitempty"`

	// optional, if true, lets the object or its key be missing: the source adds
	// nothing then, and joins by itself when it appears. Content that is there
	// has to be valid all the same.
	// +optional
	Optional bool `json:"optional,omitempty"`
}

// BundleTarget says where the certificates go. At least one of configMap and
// secret is set.
//
// +kubebuilder:validation:XValidation:message="at least one of configMap and secret must be set",rule="has(self.configMap) || has(self.secret)"
// +kubebuilder:validation:XValidation:fieldPath=".additionalFormats.jks.key",message="the jks key must differ from the keys of configMap and secret",rule="!has(self.additionalFormats) || !has(self.additionalFormats.jks) || (!has(self.configMap) || self.configMap.key != self.additionalFormats.jks.key) && (!has(self.secret) || self.secret.key != self.additionalFormats.jks.key)"
// +kubebuilder:validation:XValidation:fieldPath=".additionalFormats.pkcs12.key",message="the pkcs12 key must differ from the keys of configMap and secret",rule="!has(self.additionalFormats) || !has(self.additionalFormats.pkcs12) || (!has(self.configMap) || self.configMap.key != self.additionalFormats.pkcs12.key) && (!has(self.secret) || self.secret.key != self.additionalFormats.pkcs12.key)"
type BundleTarget struct {
	// configMap writes the certificates to a ConfigMap named like the Bundle in
	// every selected namespace.
	// +optional
	ConfigMap *TargetObject `json:"configMap,omitempty"`

	// secret writes the certificates to a Secret named like the Bundle in every
	// selected namespace. The operator must have been started with Secret
	// targets enabled.
	// +optional
	Secret *TargetObject `json:"secret,omitempty"`

	// additionalFormats also writes the certificates as key stores, under
	// further keys of the same objects.
	// +optional
	AdditionalFormats *AdditionalFormats `json:"additionalFormats,omitempty"`

	// namespaceSelector selects the namespaces to write to, by their labels. An
	// unset or empty selector selects every namespace.
	// +optional
	NamespaceSelector *LabelSelector `json:"namespaceSelector,omitempty"`
}

// TargetObject says what the target objects of one kind look like.
type TargetObject struct {
	// key is the key in the object's data that holds the certificates in PEM
	// form.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key"`

	// metadata is put on the target objects in addition to what the operator
	// itself puts there.
	// +optional
	Metadata TargetMetadata `json:"metadata,omitzero"`
}

// TargetMetadata is metadata for target objects. Keys beneath the domains
// trust.cert-manager.io and trust-manager.io belong to the operator and are
// refused.
//
// +kubebuilder:object:generate=false
type TargetMetadata struct {
	// annotations are put on the target objects. Their keys and values follow the
	// rules of Kubernetes, which takes at most 262144 bytes of annotations on one
	// object.
	// +optional
	// +kubebuilder:validation:XValidation:message="keys beneath trust.cert-manager.io/ and trust-manager.io/ belong to the operator",rule="self.all(k, !k.startsWith('trust.cert-manager.io/') && !k.startsWith('trust-manager.io/'))"
	// +kubebuilder:validation:XValidation:message="an annotation key must be a name of at most 63 letters, digits, '-', '_' and '.' that starts and ends with a letter or digit, optionally after a DNS name of at most 253 characters and '/'",rule="self.all(k, k.indexOf('/') <= 253 && k.matches(r'^([^\\W_]+((-+|\\.)[^\\W_]+)*/)?[^\\W_]([-\\w.]{0,61}[^\\W_])?$'))"
	// +kubebuilder:validation:XValidation:message="an annotation must have at most 262144 characters, key and value together, because Kubernetes takes no more on one object",rule="self.all(k, k.size() + self[k].size() <= 262144)"
	Annotations map[string]string `json:"annotations,omitempty"`

	// labels are put on the target objects, at most 1000 of them. Their keys and
	// values follow the rules of Kubernetes.
	// +optional
	// +kubebuilder:validation:MaxProperties=1000
	// +kubebuilder:validation:XValidation:message="keys beneath trust.cert-manager.io/ and trust-manager.io/ belong to the operator",rule="self.all(k, !k.startsWith('trust.cert-manager.io/') && !k.startsWith('trust-manager.io/'))"
	// +kubebuilder:validation:XValidation:message="a label key must be a name of at most 63 letters, digits, '-', '_' and '.' that starts and ends with a letter or digit, optionally after a lower-case DNS name of at most 253 characters and '/'",rule="self.all(k, k.indexOf('/') <= 253 && k.matches(r'^([a-z\\d]+((-+|\\.)[a-z\\d]+)*/)?[^\\W_]([-\\w.]{0,61}[^\\W_])?$'))"
	// +kubebuilder:validation:XValidation:message="a label value must be empty, or at most 63 letters, digits, '-', '_' and '.' that start and end with a letter or digit",rule="self.all(k, self[k].matches(r'^([^\\W_]([-\\w.]{0,61}[^\\W_])?)?$'))"
	Labels map[string]LabelValue `json:"labels,omitempty"`
}

// AdditionalFormats says which key stores are written beside the PEM text. At
// least one field is set.
//
// +kubebuilder:validation:XValidation:message="at least one of jks and pkcs12 must be set",rule="has(self.jks) || has(self.pkcs12)"
// +kubebuilder:validation:XValidation:fieldPath=".pkcs12.key",message="jks and pkcs12 must have different keys",rule="!has(self.jks) || !has(self.pkcs12) || self.jks.key != self.pkcs12.key"
type AdditionalFormats struct {
	// jks writes a Java KeyStore with one trusted-certificate entry for each
	// certificate.
	// +optional
	JKS *JKS `json:"jks,omitempty"`

	// pkcs12 writes a PKCS#12 trust store (RFC 7292).
	// +optional
	PKCS12 *PKCS12 `json:"pkcs12,omitempty"`
}

// JKS says how a Java KeyStore is written.
type JKS struct {
	// key is the key in the target object's data that holds the store. It
	// differs from every other key of the target.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key"`

	// password protects the store against accidental changes: 1 to 128
	// characters, "changeit" if unset. It is not a secret, since everybody who
	// may read the Bundle can read it.
	// +optional
	// +default="changeit"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Password *string `json:"password,omitempty"`
}

// PKCS12 says how a PKCS#12 trust store is written.
type PKCS12 struct {
	// key is the key in the target object's data that holds the store. It
	// differs from every other key of the target.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key"`

	// password protects the store against accidental changes: up to 128
	// characters. Unset or empty, the store has no password, whatever the
	// profile. It is not a secret, since everybody who may read the Bundle can
	// read it.
	// +optional
	// +default=""
	// +kubebuilder:validation:MaxLength=128
	Password *string `json:"password,omitempty"`

	// profile names the algorithms that the store is written with; LegacyRC2 if
	// unset.
	// LegacyRC2 is read by the oldest software, among it Java before version 8u301,
	// but uses algorithms that OpenSSL 3 turns off by default.
	// LegacyDES is read by OpenSSL and by Java since version 8.
	// Modern2023 uses today's algorithms and needs OpenSSL 1.1.1 or Java 8u301.
	// +optional
	Profile PKCS12Profile `json:"profile,omitempty"`
}

// PKCS12Profile names the algorithms that a PKCS#12 file is written with.
//
// +kubebuilder:validation:Enum=LegacyRC2;LegacyDES;Modern2023
type PKCS12Profile string

const (
	// PKCS12ProfileLegacyRC2 encrypts certificates with 40 bit RC2 and
	// authenticates the file with HMAC-SHA-1. It is what an unset profile means.
	PKCS12ProfileLegacyRC2 PKCS12Profile = "LegacyRC2"

	// PKCS12ProfileLegacyDES encrypts certificates with triple DES and
	// authenticates the file with HMAC-SHA-1.
	PKCS12ProfileLegacyDES PKCS12Profile = "LegacyDES"

	// PKCS12ProfileModern2023 encrypts certificates with AES-256-CBC under a key
	// from PBKDF2-HMAC-SHA-256 and authenticates the file with HMAC-SHA-256.
	PKCS12ProfileModern2023 PKCS12Profile = "Modern2023"
)

// BundleStatus says how far the targets of a Bundle have come.
type BundleStatus struct {
	// conditions describe the state of the Bundle, at most 10 of them. The
	// condition Synced is True once every target holds the current content; its
	// reason and message say what is missing otherwise. The condition ExpiringSoon is
	// True while a certificate of the bundle has expired or expires within 30 days,
	// and otherwise False or not there.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=10
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// defaultCAVersion is the id of the default CA package whose certificates
	// are in the result. It is unset in a Bundle that does not use the package.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	DefaultCAVersion string `json:"defaultCAVersion,omitempty"`

	// inventory says what is in the bundle that is in force: the one that was built
	// last, also while another cannot be built.
	// +optional
	// +structType=atomic
	Inventory *BundleInventory `json:"inventory,omitempty"`

	// targets counts the targets of the bundle that is in force.
	// +optional
	// +structType=atomic
	Targets *TargetCounts `json:"targets,omitempty"`
}
