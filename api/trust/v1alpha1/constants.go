package v1alpha1

// BundleKind is the kind of a Bundle.
const BundleKind = "Bundle"

// What the operator puts on every target object.
const (
	// BundleLabelKey is the label whose value is the name of the Bundle that the
	// object is a target of.
	BundleLabelKey = "trust.cert-manager.io/bundle"

	// BundleHashAnnotationKey is the annotation whose value is a digest of
	// everything that shapes the object.
	BundleHashAnnotationKey = "trust.cert-manager.io/hash"

	// RotationLabelKey is the label of the ConfigMap in the trust namespace that keeps
	// what spec.rotation of a Bundle needs; its value is the name of the Bundle. Such
	// an object is never a source.
	RotationLabelKey = "trust.cert-manager.io/rotation"

	// SharedAnnotationKey is the annotation, with the value "true", of a target
	// object that also holds data of others and is therefore not owned by its
	// Bundle.
	SharedAnnotationKey = "trust.cert-manager.io/shared"
)

// BundleConditionSynced is the type of the condition that says whether every
// target of a Bundle holds the current content.
const BundleConditionSynced = "Synced"

// BundleConditionExpiringSoon is the type of the condition that says whether a
// certificate of the bundle has expired or expires within 30 days. A Bundle without
// such a certificate has no such condition, or one with the status False after it had
// one.
const BundleConditionExpiringSoon = "ExpiringSoon"

// Reasons of the condition BundleConditionExpiringSoon.
const (
	// BundleReasonExpiringSoon comes with the status True.
	BundleReasonExpiringSoon = "ExpiringSoon"

	// BundleReasonNotExpiringSoon comes with the status False.
	BundleReasonNotExpiringSoon = "NotExpiringSoon"
)

// Reasons of the condition BundleConditionSynced.
const (
	// BundleReasonSynced: every target holds the current content. The only
	// reason that comes with the status True.
	BundleReasonSynced = "Synced"

	// BundleReasonSyncing: a roll-out is under way.
	BundleReasonSyncing = "Syncing"

	// BundleReasonSourceNotFound: a source object or one of its keys does not
	// exist, or the sources together hold no certificate.
	BundleReasonSourceNotFound = "SourceNotFound"

	// BundleReasonSourceBuildError: a source has content that is not a valid
	// list of certificates.
	BundleReasonSourceBuildError = "SourceBuildError"

	// BundleReasonSyncConfigMapTargetFailed: a ConfigMap target could not be
	// written.
	BundleReasonSyncConfigMapTargetFailed = "SyncConfigMapTargetFailed"

	// BundleReasonSyncSecretTargetFailed: a Secret target could not be written.
	BundleReasonSyncSecretTargetFailed = "SyncSecretTargetFailed"

	// BundleReasonSecretTargetsDisabled: the Bundle asks for Secret targets and
	// the operator runs without them.
	BundleReasonSecretTargetsDisabled = "SecretTargetsDisabled"

	// BundleReasonBundleTooLarge: the target objects would be larger than the
	// API server takes.
	BundleReasonBundleTooLarge = "BundleTooLarge"

	// BundleReasonRotationStateFailed: what spec.rotation needs could not be kept in
	// the trust namespace, and nothing is rolled out before it is.
	BundleReasonRotationStateFailed = "RotationStateFailed"
)

// DefaultMaxRetained is how many certificates spec.rotation retains where it does not
// say.
const DefaultMaxRetained = 10

// Passwords of the key store formats when a Bundle names none.
const (
	// DefaultJKSPassword is the password of a JKS file.
	DefaultJKSPassword = "changeit"

	// DefaultPKCS12Password is the password of a PKCS#12 file: empty, for a
	// store that has none.
	DefaultPKCS12Password = ""
)
