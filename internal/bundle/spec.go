package bundle

import (
	"regexp"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Kind is the kind of an object that holds certificates, as a source or as a target. It is no
// byte, since vet does not report the conversion of a byte to a string.
type Kind uint16

// The kinds of sources and targets.
const (
	ConfigMap Kind = iota + 1
	Secret
	ClusterTrustBundle
)

// String returns the name of the kind in the API.
func (k Kind) String() string {
	switch k {
	case ConfigMap:
		return "ConfigMap"
	case Secret:
		return "Secret"
	case ClusterTrustBundle:
		return "ClusterTrustBundle"
	}
	return ""
}

// Spec is the specification of a bundle, independent of its API kind and version.
type Spec struct {
	// ID identifies the Bundle. Its target objects have the same name.
	ID ID
	// Generation is the generation of the Bundle that the Spec was converted from.
	Generation int64
	// Owner refers to the Bundle, as a controller that blocks owner deletion.
	Owner metav1.OwnerReference
	// Marks are the metadata of the targets by which the operator recognizes them.
	Marks *Marks
	// Sources are in the order of their certificates in the bundle.
	Sources []Source
	// Filter has the policies of the Bundle itself; the operator's flags apply to those
	// that are unset.
	Filter Filter
	// Rotation defines the retention of certificates that have left every source.
	Rotation Rotation
	// Targets has at most one target of each kind.
	Targets []Target
	// Overwrite allows changing foreign content of objects that existed before they became
	// targets.
	Overwrite bool
	// Orphan makes targets outlive the Bundle.
	Orphan bool
	// Namespaces selects the namespaces of the targets. NamespacesField is the path of the
	// selector in the Bundle, or empty if it is unset.
	Namespaces      labels.Selector
	NamespacesField string
}

// Source is one source of certificates: objects of the trust namespace (Object is set),
// ClusterTrustBundles (TrustBundle is set), the default CA package (DefaultCAs is true) or text
// in the Bundle (Text).
type Source struct {
	// Field is the path of the source in the Bundle.
	Field       string
	Object      *ObjectSource
	TrustBundle *TrustBundleSource
	DefaultCAs  bool
	Text        string
}

// TrustBundleSource selects ClusterTrustBundles: the one with a name, or those of a signer.
type TrustBundleSource struct {
	Name string
	// Signer is the signer of the objects, and Selector selects among them; nil selects all.
	Signer   string
	Selector labels.Selector
	// Optional is true if the object that Name names may be missing.
	Optional bool
}

// ObjectSource selects objects in the trust namespace, and the keys to read.
type ObjectSource struct {
	Kind Kind
	// Name is the name of a single object; Selector, if it is not nil, selects any
	// number of objects instead.
	Name     string
	Selector labels.Selector
	// Key is the key to read. If Pattern is set, the keys that it matches are read instead,
	// of which there must be at least one, and if AllKeys is true, every key.
	Key     string
	Pattern KeyPattern
	AllKeys bool
	// Optional is true if the object, or its key, may be missing, or have only white space
	// and comments.
	Optional bool
}

// KeyPattern matches keys of an object: each * matches any number of characters. It is
// empty for none.
type KeyPattern string

// Matches reports whether the pattern matches a key.
func (p KeyPattern) Matches(key string) bool {
	parts := strings.Split(string(p), "*")
	first, last := parts[0], parts[len(parts)-1]
	if len(parts) == 1 {
		return key == first
	}
	if len(key) < len(first)+len(last) || !strings.HasPrefix(key, first) || !strings.HasSuffix(key, last) {
		return false
	}
	rest := key[len(first) : len(key)-len(last)]
	for _, part := range parts[1 : len(parts)-1] { // the earliest match leaves the most for the next
		_, after, ok := strings.Cut(rest, part)
		if !ok {
			return false
		}
		rest = after
	}
	return true
}

// Target describes the target objects of one kind.
type Target struct {
	// Field is the path of the target in the Bundle.
	Field string
	Kind  Kind
	// Signer is the signer of a ClusterTrustBundle, or empty.
	Signer string
	// Files are the entries of the object's data, each under a key of its own. Their order
	// is part of the target's digest.
	Files []File
	// Labels and Annotations are set on the object in addition to the operator's own.
	Labels      map[string]string
	Annotations map[string]string
}

// TrustBundleField is the key of the only file of a ClusterTrustBundle: the field of its spec
// that has the certificates.
const TrustBundleField = "trustBundle"

// Format is the format of a file.
type Format string

// The formats of files. A hashed directory is several files, one for each certificate, under names
// that OpenSSL defines; see [IsHashedName].
const (
	PEM             Format = "PEM"
	JKS             Format = "JKS"
	PKCS12          Format = "PKCS#12"
	HashedDirectory Format = "hashed directory"
)

// hashedName is the form of the names in a hashed directory.
var hashedName = regexp.MustCompile(`^[0-9a-f]{8}\.[0-9]+$`)

// IsHashedName reports whether a key has the form of the names in a hashed directory: 8 hexadecimal
// digits in lower case, a dot, and a number.
func IsHashedName(key string) bool { return hashedName.MatchString(key) }

// File describes one file with the whole bundle.
type File struct {
	// Field is the path of the file in the Bundle.
	Field  string
	Format Format
	// Key is the key of the file in the target. It is empty for a hashed directory.
	Key string
	// Password protects a key store. A PEM file has none.
	Password string
	// Profile names the algorithms of a PKCS#12 store; it is never empty for one.
	Profile string
}

// ObjectName returns the name of the target objects of a bundle: its own name, after that of the
// signer if there is one, as Kubernetes requires.
func ObjectName(signer, bundle string) string {
	if signer == "" {
		return bundle
	}
	return strings.ReplaceAll(signer, "/", signerSeparator) + signerSeparator + bundle
}

// signerSeparator separates the parts of a signer, and the signer and the rest, in the name of a
// ClusterTrustBundle. The names of other objects have none.
const signerSeparator = ":"

// BundleName returns the name of the bundle whose target has this name: the part after the
// signer.
func BundleName(object string) string {
	return object[strings.LastIndex(object, signerSeparator)+1:]
}

// HasTarget reports whether the Bundle has a target of this kind.
func (s *Spec) HasTarget(kind Kind) bool {
	return slices.ContainsFunc(s.Targets, func(t Target) bool { return t.Kind == kind })
}

// HasTargetNamed reports whether the Bundle has a target of this kind whose objects have this
// name.
func (s *Spec) HasTargetNamed(kind Kind, name string) bool {
	return slices.ContainsFunc(s.Targets, func(t Target) bool { return t.Kind == kind && ObjectName(t.Signer, s.ID.Name) == name })
}
