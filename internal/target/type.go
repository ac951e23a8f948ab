package target

import (
	"fmt"
	"iter"
	"maps"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
)

// Type describes one kind of target objects. Everything in which kinds differ is here, so
// that another kind is one more row of the table.
type Type struct {
	// GVK and Resource are the names of the kind in the API. Resource is plural.
	GVK      schema.GroupVersionKind
	Resource string
	// ClusterScoped reports that its objects have no namespace.
	ClusterScoped bool
	// SyncFailed is the reason of the condition if a target of the kind has failed.
	SyncFailed string
	// RestrictedByName reports that RBAC may allow writes to objects of the kind by their
	// names only, and AlwaysByName that it always does.
	RestrictedByName, AlwaysByName bool
	// Exclusive reports that an object cannot be shared, since its content is one value. One
	// that existed before is never changed.
	Exclusive bool
	// Unavailable is the reason of the condition while the API server does not serve the kind.
	// It is empty for a kind that is always served.
	Unavailable string
	// versions are those in which the kind may be served, the preferred one first. The objects
	// of such a kind are not in the caches of controller-runtime.
	versions []schema.GroupVersion
	// disabledReason and disabledDetail describe why a Bundle with such a target is not
	// built if the kind is not enabled.
	disabledReason certs.Reason
	disabledDetail string
	// textSection and binarySection are the maps of an object with text and binary values.
	// They are equal if the kind has binary values only.
	textSection, binarySection string
	// platforms has the names of objects that a platform maintains in every namespace.
	// Those are overwritten as a whole, and pods need them to reach the API server, so a
	// Bundle cannot share them.
	platforms map[string]string
	// accepts returns why the API server would refuse the certificates of a bundle as the
	// content of an object, or nil. It is nil for a kind that accepts all.
	accepts func(bundle.Bundle) error
	// remedy returns what to do about an error of the API server for the object of a name, or "".
	// It is nil for a kind of which nothing is known.
	remedy func(name string, err error) string
	// newObject returns an empty object of the API, fromAPI converts one that was decoded
	// into it and shares its memory, and toAPI is the reverse.
	newObject func() runtime.Object
	fromAPI   func(runtime.Object) *Object
	toAPI     func(*Object) runtime.Object
}

// kinds is the table of the kinds of targets.
var kinds = map[bundle.Kind]*Type{
	bundle.ConfigMap: {
		GVK:           corev1.SchemeGroupVersion.WithKind("ConfigMap"),
		Resource:      "configmaps",
		SyncFailed:    "SyncConfigMapTargetFailed",
		textSection:   SectionData,
		binarySection: SectionBinaryData,
		platforms: map[string]string{
			"kube-root-ca.crt":         "Kubernetes",
			"openshift-service-ca.crt": "OpenShift",
		},
		newObject: func() runtime.Object { return &corev1.ConfigMap{} },
		fromAPI:   fromConfigMap,
		toAPI:     toConfigMap,
	},
	bundle.Secret: {
		GVK:              corev1.SchemeGroupVersion.WithKind("Secret"),
		Resource:         "secrets",
		SyncFailed:       "SyncSecretTargetFailed",
		RestrictedByName: true,
		disabledReason:   "SecretTargetsDisabled",
		disabledDetail:   "the operator runs without Secret targets; start it with --secret-targets-enabled, or enable secretTargets in the Helm values",
		textSection:      SectionData,
		binarySection:    SectionData,
		newObject:        func() runtime.Object { return &corev1.Secret{} },
		fromAPI:          fromSecret,
		toAPI:            toSecret,
	},
	bundle.ClusterTrustBundle: {
		GVK:              certificatesv1.SchemeGroupVersion.WithKind("ClusterTrustBundle"),
		Resource:         "clustertrustbundles",
		ClusterScoped:    true,
		SyncFailed:       "SyncClusterTrustBundleTargetFailed",
		RestrictedByName: true,
		AlwaysByName:     true,
		Exclusive:        true,
		Unavailable:      string(bundle.TrustBundleUnavailable),
		versions: []schema.GroupVersion{
			certificatesv1.SchemeGroupVersion,
			{Group: certificatesv1.GroupName, Version: "v1beta1"},
			{Group: certificatesv1.GroupName, Version: "v1alpha1"},
		},
		disabledReason: "ClusterTrustBundlesDisabled",
		disabledDetail: "the operator runs without ClusterTrustBundle targets; start it with --cluster-trust-bundles-enabled, or enable clusterTrustBundles in the Helm values",
		textSection:    SectionSpec,
		accepts:        acceptsTrustAnchors,
		remedy:         remedyForTrustBundle,
		newObject:      func() runtime.Object { return &certificatesv1.ClusterTrustBundle{} },
		fromAPI:        fromClusterTrustBundle,
		toAPI:          toClusterTrustBundle,
	},
}

// TypeOf returns the description of a kind of targets. It is never nil for the kind of a
// target in a [bundle.Spec].
func TypeOf(kind bundle.Kind) *Type { return kinds[kind] }

// Remedy returns what to do about an error of the API server for the object of a name, or "" if
// that is unknown.
func (t *Type) Remedy(name string, err error) string {
	if t.remedy == nil {
		return ""
	}
	return t.remedy(name, err)
}

// Versions returns the versions in which the kind may be served, the preferred one first. Its
// objects are the same in all of them.
func (t *Type) Versions() []schema.GroupVersion {
	if len(t.versions) == 0 {
		return []schema.GroupVersion{t.GVK.GroupVersion()}
	}
	return t.versions
}

// IsDiscovered reports whether the version of the kind, if there is any, is discovered while the
// operator runs.
func (t *Type) IsDiscovered() bool { return len(t.versions) > 0 }

// AddToScheme registers the types of the kind in all versions.
func (t *Type) AddToScheme(scheme *runtime.Scheme) {
	for _, version := range t.Versions() {
		scheme.AddKnownTypeWithName(version.WithKind(t.GVK.Kind), t.newObject())
		metav1.AddToGroupVersion(scheme, version)
	}
}

// Types returns the descriptions of all kinds of targets.
func Types() iter.Seq[*Type] { return maps.Values(kinds) }

// IsSyncFailed reports whether this is the reason of a condition if targets have failed.
func IsSyncFailed(reason string) bool {
	for _, kind := range kinds {
		if reason == kind.SyncFailed {
			return true
		}
	}
	return false
}

// Disabled returns why a Bundle with this target is not built if the kind is not enabled
// (T13).
func (t *Type) Disabled(target bundle.Target) *certs.Problem {
	return &certs.Problem{Origin: certs.Origin{Field: target.Field}, Reason: t.disabledReason, Detail: t.disabledDetail}
}

// Places returns the namespaces of the objects of the kind, given those that are selected:
// the same, or only the empty one for a kind that is cluster-scoped.
func (t *Type) Places(selected []string) []string {
	if t.ClusterScoped {
		return []string{""}
	}
	return selected
}

// isText reports whether a file is stored as text.
func (t *Type) isText(format bundle.Format) bool {
	return (format == bundle.PEM || format == bundle.HashedDirectory) && t.textSection != t.binarySection
}

// isBinary reports whether the value of an entry is binary, which is base64 in JSON.
func (t *Type) isBinary(field Field) bool { return field.Section == t.binarySection }

// NewObject returns an empty object of the API to decode into.
func (t *Type) NewObject() runtime.Object { return t.newObject() }

// FromAPI converts an object that NewObject returned. The result shares its memory.
func (t *Type) FromAPI(object runtime.Object) *Object { return t.fromAPI(object) }

func fromConfigMap(object runtime.Object) *Object {
	configMap := object.(*corev1.ConfigMap) //nolint:forcetypeassert // it is made by newObject
	return &Object{
		Kind:      bundle.ConfigMap,
		Meta:      configMap.ObjectMeta,
		Immutable: configMap.Immutable != nil && *configMap.Immutable,
		Text:      configMap.Data,
		Binary:    configMap.BinaryData,
	}
}

func toConfigMap(object *Object) runtime.Object {
	return &corev1.ConfigMap{ObjectMeta: object.Meta, Data: object.Text, BinaryData: object.Binary}
}

func fromSecret(object runtime.Object) *Object {
	secret := object.(*corev1.Secret) //nolint:forcetypeassert // it is made by newObject
	return &Object{
		Kind:      bundle.Secret,
		Meta:      secret.ObjectMeta,
		Immutable: secret.Immutable != nil && *secret.Immutable,
		Binary:    secret.Data,
		Typed:     secret.Type != corev1.SecretTypeOpaque && secret.Type != "",
	}
}

func toSecret(object *Object) runtime.Object {
	return &corev1.Secret{ObjectMeta: object.Meta, Type: corev1.SecretTypeOpaque, Data: object.Binary}
}

// Ref identifies one target object.
type Ref struct {
	// Namespace is empty for a kind that is cluster-scoped.
	Namespace string
	Name      string
	Kind      bundle.Kind
}

// String returns the object as it appears in messages: `ConfigMap team-a/roots`.
func (r Ref) String() string {
	if r.Namespace == "" {
		return r.Kind.String() + " " + r.Name
	}
	return r.Kind.String() + " " + r.Namespace + "/" + r.Name
}

// Location returns the object as it appears in messages about its bundle, whose name it has if it
// is in a namespace: `ConfigMap in namespace team-a`, `ClusterTrustBundle roots`.
func (r Ref) Location() string {
	if r.Namespace == "" {
		return r.String()
	}
	return fmt.Sprintf("%s in namespace %s", r.Kind, r.Namespace)
}

// Key identifies one target of one bundle.
type Key struct {
	Bundle bundle.ID
	Ref
}

// KeyOf returns the target of a bundle of this kind in a namespace, for a kind whose objects
// have the name of the bundle.
func KeyOf(id bundle.ID, kind bundle.Kind, namespace string) Key {
	return Key{Bundle: id, Ref: Ref{Kind: kind, Namespace: namespace, Name: id.Name}}
}

// Of returns the same object as a target of another bundle.
func (r Ref) Of(id bundle.ID) Key { return Key{Bundle: id, Ref: r} }

// KeyOfObject returns the target that an object is, by its metadata; ok is false if it is
// none.
func KeyOfObject(marks *bundle.Marks, kind bundle.Kind, object metav1.Object) (key Key, ok bool) {
	if !marks.Has(object) {
		return Key{}, false
	}
	ref := Ref{Kind: kind, Namespace: object.GetNamespace(), Name: object.GetName()}
	return ref.Of(bundle.ID{Kind: marks.Kind, Name: bundle.BundleName(ref.Name)}), true
}
