package bundle

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Kind is a kind of object that holds certificates, as a source or as a target.
type Kind string

// The kinds of objects.
const (
	ConfigMap Kind = "ConfigMap"
	Secret    Kind = "Secret"
)

// Spec is what a Bundle asks for, whatever kind and version it was written in.
type Spec struct {
	// Name is the Bundle's name, and that of its target objects.
	Name string
	// Generation is that of the object that the Spec was read from.
	Generation int64
	// Owner refers to the Bundle, as a controller that blocks deletion.
	Owner metav1.OwnerReference
	// Sources are in the order in which their certificates stand.
	Sources []Source
	// Filter has what the Bundle itself asks for; what is unset is for others to
	// say.
	Filter Filter
	// Rotation says what stays that has left every source.
	Rotation Rotation
	// Targets has at most one of each kind.
	Targets []Target
	// Stores are the key stores that every target holds beside the PEM text, at
	// most one of each format.
	Stores []Store
	// Namespaces selects those that get the targets.
	Namespaces labels.Selector
}

// Source is one place where certificates come from: an object (Object is set),
// the default CA package (DefaultCAs is true) or text in the Bundle (Text).
type Source struct {
	// Field is the path of the source in the Bundle.
	Field      string
	Object     *ObjectSource
	DefaultCAs bool
	Text       string
}

// ObjectSource is which objects of the trust namespace are read, and which of
// their keys.
type ObjectSource struct {
	Kind Kind
	// Name is that of the one object to read; Selector, where it is not nil,
	// selects any number of them instead.
	Name     string
	Selector labels.Selector
	// Key is the one key to read; AllKeys says to read every key instead.
	Key     string
	AllKeys bool
	// Optional says that the object, or its key, may be missing.
	Optional bool
}

// Target is what the target objects of one kind look like.
type Target struct {
	Kind Kind
	// Key holds the bundle as PEM.
	Key string
	// Labels and Annotations are put on the object besides the operator's own.
	Labels      map[string]string
	Annotations map[string]string
}

// Format is that of a key store.
type Format string

// The formats of key stores.
const (
	JKS    Format = "JKS"
	PKCS12 Format = "PKCS#12"
)

// Store is a key store that targets hold.
type Store struct {
	Format Format
	// Key holds the store.
	Key      string
	Password string
	// Profile names the algorithms of a PKCS#12 store, never empty for one.
	Profile string
}

// HasTarget says whether the Bundle asks for targets of a kind.
func (s *Spec) HasTarget(kind Kind) bool {
	return slices.ContainsFunc(s.Targets, func(t Target) bool { return t.Kind == kind })
}
