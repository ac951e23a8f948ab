package v1alpha2

import (
	trustv1alpha1 "trust-manager.io/api/trust/v1alpha1"
)

// ClusterBundleTarget defines the objects that the certificates are written to. At least
// one of configMap, secret and clusterTrustBundle must be set.
//
// +kubebuilder:validation:XValidation:message="at least one of configMap, secret and clusterTrustBundle must be set",rule="has(self.configMap) || has(self.secret) || has(self.clusterTrustBundle)"
// +kubebuilder:validation:XValidation:fieldPath=".namespaceSelector",reason=FieldValueRequired,message="configMap and secret targets require a selector; an empty one selects every namespace",rule="has(self.namespaceSelector) || !has(self.configMap) && !has(self.secret)"
type ClusterBundleTarget struct {
	// configMap writes the certificates to a ConfigMap in every selected namespace.
	// The ConfigMap has the name of the ClusterBundle.
	// +optional
	ConfigMap *TargetObject `json:"configMap,omitempty"`

	// secret writes the certificates to a Secret in every selected namespace. The
	// Secret has the name of the ClusterBundle. The operator must run with
	// --secret-targets-enabled.
	// +optional
	Secret *TargetObject `json:"secret,omitempty"`

	// clusterTrustBundle writes the certificates to one ClusterTrustBundle, which pods in
	// all namespaces can mount. The operator must run with
	// --cluster-trust-bundles-enabled.
	// +optional
	ClusterTrustBundle *trustv1alpha1.ClusterTrustBundleTarget `json:"clusterTrustBundle,omitempty"`

	// namespaceSelector selects the namespaces to write ConfigMaps and Secrets to by
	// their labels. An empty selector selects every namespace. It is required unless
	// clusterTrustBundle is the only target.
	// +optional
	// +structType=atomic
	NamespaceSelector trustv1alpha1.LabelSelector `json:"namespaceSelector"`

	// overwrite allows the operator to replace different content that an object already
	// has under a key of this ClusterBundle when it becomes a target. Otherwise the
	// target fails and the object is not changed, unless it has the annotation
	// trust-manager.io/adopt with the value "true". A ClusterTrustBundle that existed
	// before is never changed.
	// +optional
	Overwrite bool `json:"overwrite,omitempty"`

	// deletionPolicy defines what happens to the target objects when the ClusterBundle
	// is deleted. Delete, the default, deletes them. Orphan keeps them with their
	// content, however the ClusterBundle is deleted, and a ClusterBundle that is created
	// again under the name takes them over. Both policies remove the targets from
	// namespaces that are no longer selected.
	// +optional
	DeletionPolicy trustv1alpha1.DeletionPolicy `json:"deletionPolicy,omitempty"`
}

// TargetObject defines the target objects of one kind.
//
// +kubebuilder:validation:XValidation:fieldPath=".data",message="at most one file may have the format HashedDirectory",rule="self.data.filter(f, has(f.format) && f.format == 'HashedDirectory').size() <= 1"
// +kubebuilder:validation:XValidation:fieldPath=".data",message="beside a file with the format HashedDirectory, no key may have the form of its other keys: 8 hexadecimal digits, a dot and a number",rule="!self.data.exists(f, has(f.format) && f.format == 'HashedDirectory') || !self.data.exists(f, f.key.matches('^[0-9a-f]{8}[.][0-9]+$'))"
type TargetObject struct {
	// data defines the files of the object, 1 to 10 of them, each under a key of its own.
	// Several may have the same format, except HashedDirectory.
	// +required
	// +listType=map
	// +listMapKey=key
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10
	Data []TargetFile `json:"data"`

	// metadata is added to the target objects, in addition to the operator's own
	// labels and annotations.
	// +optional
	Metadata *TargetMetadata `json:"metadata,omitempty"`
}

// TargetFile defines one file of a target object. It has the whole bundle.
//
// +structType=atomic
// +kubebuilder:validation:XValidation:fieldPath=".password",message="only the formats PKCS12 and JKS have a password",rule="!has(self.password) || has(self.format) && self.format in ['PKCS12', 'JKS']"
// +kubebuilder:validation:XValidation:fieldPath=".password",message="the password of a JKS file must have at least 1 character",rule="!has(self.password) || !has(self.format) || self.format != 'JKS' || self.password.size() > 0"
// +kubebuilder:validation:XValidation:fieldPath=".profile",message="only the format PKCS12 has a profile",rule="!has(self.profile) || has(self.format) && self.format == 'PKCS12'"
type TargetFile struct {
	// key is the key of the file in the object's data.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	Key string `json:"key"`

	// format is the format of the file: PEM if unset, PKCS12 for a PKCS#12 trust store
	// (RFC 7292), or JKS for a Java KeyStore, which is deprecated: use PKCS12 unless an
	// old version of Java must read the file. HashedDirectory writes PEM, and also each
	// certificate as a file of its own, under the name by which OpenSSL finds it in a
	// directory: the hash of its subject, a dot, and a number, such as 5ad8a5d6.0. If its
	// key is ca-certificates.crt, the object can be mounted over /etc/ssl/certs, where it
	// replaces the CAs of the image. All keys of that form belong to the operator.
	// +optional
	Format TargetFormat `json:"format,omitempty"`

	// password protects a key store against accidental changes: up to 128 characters. If
	// it is unset or empty, a PKCS#12 file has no password, regardless of the profile. If
	// it is unset, that of a JKS file is "changeit". It is not a secret, because everyone
	// with read access to the ClusterBundle can read it.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Password *string `json:"password,omitempty"`

	// profile selects the algorithms of a PKCS#12 file; LegacyDES if unset.
	// LegacyRC2 is readable by the oldest software, including Java before 8u301, but
	// uses algorithms that OpenSSL 3 disables by default.
	// LegacyDES is readable by OpenSSL and by Java 8 and later.
	// Modern2023 uses modern algorithms and requires OpenSSL 1.1.1 or Java 8u301.
	// +optional
	Profile trustv1alpha1.PKCS12Profile `json:"profile,omitempty"`
}

// TargetFormat is the format of a file.
//
// +kubebuilder:validation:Enum=PEM;PKCS12;JKS;HashedDirectory
type TargetFormat string

// Formats of files.
const (
	// FormatPEM is PEM (RFC 7468).
	FormatPEM TargetFormat = "PEM"

	// FormatPKCS12 is a PKCS#12 trust store (RFC 7292).
	FormatPKCS12 TargetFormat = "PKCS12"

	// FormatJKS is a Java KeyStore.
	FormatJKS TargetFormat = "JKS"

	// FormatHashedDirectory is a PEM file, and beside it a PEM file for each certificate
	// under the name by which OpenSSL finds it in a directory.
	FormatHashedDirectory TargetFormat = "HashedDirectory"
)

// TargetMetadata contains annotations and labels for target objects. Keys under
// the prefixes trust.cert-manager.io/ and trust-manager.io/ are reserved for the
// operator and are rejected.
//
// +kubebuilder:object:generate=false
// +kubebuilder:validation:MinProperties=1
type TargetMetadata struct {
	// annotations are added to the target objects. Keys and values follow the rules
	// of Kubernetes, which allows at most 262144 bytes of annotations on one object.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:XValidation:reason=FieldValueForbidden,message="keys under trust.cert-manager.io/ and trust-manager.io/ belong to the operator",rule="self.all(k, !k.startsWith('trust.cert-manager.io/') && !k.startsWith('trust-manager.io/'))"
	// +kubebuilder:validation:XValidation:message="an annotation key must be a name of at most 63 letters, digits, '-', '_' and '.' that starts and ends with a letter or digit, optionally after a DNS name of at most 253 characters and '/'",rule="self.all(k, k.indexOf('/') <= 253 && k.matches(r'^([^\\W_]+((-+|\\.)[^\\W_]+)*/)?[^\\W_]([-\\w.]{0,61}[^\\W_])?$'))"
	// +kubebuilder:validation:XValidation:message="an annotation must have at most 262144 characters, key and value together, because Kubernetes accepts no more on one object",rule="self.all(k, k.size() + self[k].size() <= 262144)"
	Annotations map[string]string `json:"annotations,omitempty"`

	// labels are added to the target objects, at most 1000 of them. Keys and values
	// follow the rules of Kubernetes.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=1000
	// +kubebuilder:validation:XValidation:reason=FieldValueForbidden,message="keys under trust.cert-manager.io/ and trust-manager.io/ belong to the operator",rule="self.all(k, !k.startsWith('trust.cert-manager.io/') && !k.startsWith('trust-manager.io/'))"
	// +kubebuilder:validation:XValidation:message="a label key must be a name of at most 63 letters, digits, '-', '_' and '.' that starts and ends with a letter or digit, optionally after a lower-case DNS name of at most 253 characters and '/'",rule="self.all(k, k.indexOf('/') <= 253 && k.matches(r'^([a-z\\d]+((-+|\\.)[a-z\\d]+)*/)?[^\\W_]([-\\w.]{0,61}[^\\W_])?$'))"
	// +kubebuilder:validation:XValidation:message="a label value must be empty, or at most 63 letters, digits, '-', '_' and '.' that start and end with a letter or digit",rule="self.all(k, self[k].matches(r'^([^\\W_]([-\\w.]{0,61}[^\\W_])?)?$'))"
	Labels map[string]trustv1alpha1.LabelValue `json:"labels,omitempty"`
}
