package v1alpha2

// ClusterBundleKind is the kind of a ClusterBundle.
const ClusterBundleKind = "ClusterBundle"

// Labels and annotations that the operator sets on objects it writes, and reads from objects
// of users.
const (
	// BundleLabelKey is the label on a target object whose value is the name of the
	// object's ClusterBundle.
	BundleLabelKey = "trust-manager.io/bundle"

	// BundleHashAnnotationKey is the annotation on a target object whose value is a digest
	// of all inputs that shape the object.
	BundleHashAnnotationKey = "trust-manager.io/hash"

	// SharedAnnotationKey is the annotation on a target object that the ClusterBundle does
	// not own, with one of these values: "true" if it also holds foreign data, "adopted" if
	// it existed before, "orphan" if deletionPolicy is Orphan, and "adopted,orphan".
	SharedAnnotationKey = "trust-manager.io/shared"

	// AdoptAnnotationKey is the annotation that users set to "true" on an object to let a
	// ClusterBundle overwrite the content that it had before.
	AdoptAnnotationKey = "trust-manager.io/adopt"

	// JKSKeyAnnotationKey is the annotation on a ClusterBundle whose value is the key of
	// target.*.data that is written in JKS format although its format is PKCS12. The
	// migration of cert-manager's trust-manager sets it on a ClusterBundle that it makes
	// from a Bundle with additionalFormats.jks.
	JKSKeyAnnotationKey = "internal.trust-manager.io/jks-key"
)
