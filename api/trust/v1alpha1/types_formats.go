package v1alpha1

// AdditionalFormats defines what to write in addition to one PEM file. At least one
// field must be set.
//
// +kubebuilder:validation:XValidation:message="at least one of jks, pkcs12 and hashedDirectory must be set",rule="has(self.jks) || has(self.pkcs12) || has(self.hashedDirectory)"
// +kubebuilder:validation:XValidation:fieldPath=".pkcs12.key",message="jks and pkcs12 must have different keys",rule="!has(self.jks) || !has(self.pkcs12) || self.jks.key != self.pkcs12.key"
type AdditionalFormats struct {
	// jks writes a Java KeyStore with one trusted-certificate entry per certificate.
	// +optional
	JKS *JKS `json:"jks,omitempty"`

	// pkcs12 writes a PKCS#12 trust store (RFC 7292).
	// +optional
	PKCS12 *PKCS12 `json:"pkcs12,omitempty"`

	// hashedDirectory also writes each certificate as a PEM file of its own, under the
	// name by which OpenSSL finds it in a directory: the hash of its subject, a dot, and
	// a number, such as 5ad8a5d6.0. If the key of the PEM file is ca-certificates.crt,
	// the object can be mounted over /etc/ssl/certs, where it replaces the CAs of the
	// image. All keys of that form belong to the operator. The object has twice the size
	// of the PEM file.
	// +optional
	HashedDirectory *HashedDirectory `json:"hashedDirectory,omitempty"`
}

// Kubernetes 1.28 and older cannot evaluate a rule that mentions an object without
// properties, unless the object preserves unknown fields. MaxProperties=0 rejects those.

// HashedDirectory configures a directory in which OpenSSL finds certificates by their
// subjects. It has no options.
//
// +kubebuilder:pruning:PreserveUnknownFields
// +kubebuilder:validation:MaxProperties=0
type HashedDirectory struct{}

// JKS configures a Java KeyStore.
type JKS struct {
	// key is the key in the target object's data that holds the store. It must
	// differ from every other key of the target.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key"`

	// password protects the store against accidental changes: 1 to 128 characters,
	// "changeit" if unset. It is not a secret, because everyone with read access to
	// the Bundle can read it.
	// +optional
	// +default="changeit"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Password *string `json:"password,omitempty"`
}

// PKCS12 configures a PKCS#12 trust store.
type PKCS12 struct {
	// key is the key in the target object's data that holds the store. It must
	// differ from every other key of the target.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key"`

	// password protects the store against accidental changes: up to 128 characters.
	// If it is unset or empty, the store has no password, regardless of the profile.
	// It is not a secret, because everyone with read access to the Bundle can read
	// it.
	// +optional
	// +default=""
	// +kubebuilder:validation:MaxLength=128
	Password *string `json:"password,omitempty"`

	// profile selects the algorithms of the store; LegacyRC2 if unset.
	// LegacyRC2 is readable by the oldest software, including Java before 8u301, but
	// uses algorithms that OpenSSL 3 disables by default.
	// LegacyDES is readable by OpenSSL and by Java 8 and later.
	// Modern2023 uses modern algorithms and requires OpenSSL 1.1.1 or Java 8u301.
	// +optional
	Profile PKCS12Profile `json:"profile,omitempty"`
}

// PKCS12Profile selects the algorithms of a PKCS#12 file.
//
// +kubebuilder:validation:Enum=LegacyRC2;LegacyDES;Modern2023
type PKCS12Profile string

const (
	// PKCS12ProfileLegacyRC2 encrypts certificates with 40-bit RC2 and
	// authenticates the file with HMAC-SHA-1. It is the default.
	PKCS12ProfileLegacyRC2 PKCS12Profile = "LegacyRC2"

	// PKCS12ProfileLegacyDES encrypts certificates with triple DES and
	// authenticates the file with HMAC-SHA-1.
	PKCS12ProfileLegacyDES PKCS12Profile = "LegacyDES"

	// PKCS12ProfileModern2023 encrypts certificates with AES-256-CBC under a key
	// from PBKDF2-HMAC-SHA-256 and authenticates the file with HMAC-SHA-256.
	PKCS12ProfileModern2023 PKCS12Profile = "Modern2023"
)
