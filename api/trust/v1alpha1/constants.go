package v1alpha1

// BundleKind is the kind of a Bundle.
const BundleKind = "Bundle"

// Labels and annotations that the operator sets on objects it writes.
const (
	// BundleLabelKey is the label on a target object whose value is the name of
	// the object's Bundle.
	BundleLabelKey = "trust.cert-manager.io/bundle"

	// BundleHashAnnotationKey is the annotation on a target object whose value is
	// a digest of all inputs that shape the object.
	BundleHashAnnotationKey = "trust.cert-manager.io/hash"

	// RotationLabelKey is the label on the ConfigMap in the trust namespace that
	// stores the rotation state of a Bundle; its value is the name of the Bundle.
	// Such a ConfigMap is never read as a source.
	RotationLabelKey = "trust.cert-manager.io/rotation"

	// SharedAnnotationKey is the annotation on a target object that the Bundle does not
	// own, with one of these values: "true" if it also holds foreign data, "adopted" if
	// it existed before, "orphan" if deletionPolicy is Orphan, and "adopted,orphan".
	SharedAnnotationKey = "trust.cert-manager.io/shared"

	// AdoptAnnotationKey is the annotation that users set to "true" on an object to let
	// a Bundle overwrite the content that it had before.
	AdoptAnnotationKey = "trust.cert-manager.io/adopt"
)

// BundleConditionSynced is the type of the condition that reports whether every
// target of a Bundle holds the bundle. It is absent until the first rollout has ended or
// something has failed, and stays True while a later change rolls out.
const BundleConditionSynced = "Synced"

// Types of the conditions that follow the conventions of kstatus.
const (
	// BundleConditionReady is True while every target holds the content of the current
	// generation.
	BundleConditionReady = "Ready"

	// BundleConditionReconciling is present, and True, while the operator continues by
	// itself: a rollout is in progress, or it waits for a source or an obstacle.
	BundleConditionReconciling = "Reconciling"

	// BundleConditionStalled is present, and True, while a person has to change
	// something.
	BundleConditionStalled = "Stalled"
)

// BundleConditionExpiringSoon is the type of the condition that reports whether
// a certificate of the bundle has expired or expires within 30 days. The
// condition is absent until the first such certificate appears, and False once
// the last one is gone.
const BundleConditionExpiringSoon = "ExpiringSoon"

// Reasons of the condition BundleConditionExpiringSoon.
const (
	// BundleReasonExpiringSoon accompanies the status True.
	BundleReasonExpiringSoon = "ExpiringSoon"

	// BundleReasonNotExpiringSoon accompanies the status False.
	BundleReasonNotExpiringSoon = "NotExpiringSoon"
)

// BundleConditionSuperseded is the type of the condition that is present, and True, while a
// ClusterBundle of the same name has taken over the targets of a Bundle, which is inert then.
const BundleConditionSuperseded = "Superseded"

// BundleReasonSuperseded is the reason of the condition BundleConditionSuperseded, and of Ready
// and Stalled beside it.
const BundleReasonSuperseded = "Superseded"

// BundleReasonRollout is the reason of the conditions BundleConditionReady and
// BundleConditionReconciling while a rollout is in progress.
const BundleReasonRollout = "Rollout"

// Reasons of the condition BundleConditionSynced, and of the conditions that accompany it.
const (
	// BundleReasonSynced: every target holds the current content. It is the only
	// reason that accompanies the status True.
	BundleReasonSynced = "Synced"

	// BundleReasonSourceNotFound: a source object or one of its keys does not
	// exist, or the sources contain no certificate at all.
	BundleReasonSourceNotFound = "SourceNotFound"

	// BundleReasonSourceBuildError: the content of a source is not a valid list
	// of certificates.
	BundleReasonSourceBuildError = "SourceBuildError"

	// BundleReasonSyncConfigMapTargetFailed: a ConfigMap target could not be
	// written.
	BundleReasonSyncConfigMapTargetFailed = "SyncConfigMapTargetFailed"

	// BundleReasonSyncSecretTargetFailed: a Secret target could not be written.
	BundleReasonSyncSecretTargetFailed = "SyncSecretTargetFailed"

	// BundleReasonSyncClusterTrustBundleTargetFailed: the ClusterTrustBundle target could
	// not be written.
	BundleReasonSyncClusterTrustBundleTargetFailed = "SyncClusterTrustBundleTargetFailed"

	// BundleReasonClusterTrustBundleUnavailable: the API server does not serve
	// ClusterTrustBundles. The operator looks for them again by itself.
	BundleReasonClusterTrustBundleUnavailable = "ClusterTrustBundleUnavailable"

	// BundleReasonClusterTrustBundlesDisabled: the Bundle has a ClusterTrustBundle
	// target, but the operator runs with ClusterTrustBundle targets disabled.
	BundleReasonClusterTrustBundlesDisabled = "ClusterTrustBundlesDisabled"

	// BundleReasonSecretTargetsDisabled: the Bundle has Secret targets, but the
	// operator runs with Secret targets disabled.
	BundleReasonSecretTargetsDisabled = "SecretTargetsDisabled"

	// BundleReasonBundleTooLarge: the target objects would exceed the size limit
	// of the API server.
	BundleReasonBundleTooLarge = "BundleTooLarge"

	// BundleReasonRotationStateFailed: the state that spec.rotation requires could
	// not be saved in the trust namespace. The rollout waits until it is saved.
	BundleReasonRotationStateFailed = "RotationStateFailed"
)

// DefaultMaxRetained is the number of certificates that spec.rotation retains if
// maxRetained is unset.
const DefaultMaxRetained = 10

// Passwords of the key store formats if a Bundle sets none.
const (
	// DefaultJKSPassword is the password of a JKS file.
	DefaultJKSPassword = "changeit"

	// DefaultPKCS12Password is the password of a PKCS#12 file: empty, which means
	// a store without a password.
	DefaultPKCS12Password = ""
)
