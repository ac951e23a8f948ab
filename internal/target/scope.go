package target

import (
	"slices"

	"trust-manager.io/internal/bundle"
)

// Scope is the kinds and namespaces to which targets are limited.
type Scope struct {
	// Kinds are the kinds of targets that Bundles may have.
	Kinds []bundle.Kind
	// Namespaces are the only ones that get targets; nil means all (T14).
	Namespaces map[string]bool
}

// NewScope returns a scope of these namespaces, or of all if the list is empty.
func NewScope(kinds []bundle.Kind, namespaces []string) Scope {
	scope := Scope{Kinds: kinds}
	if len(namespaces) > 0 {
		scope.Namespaces = make(map[string]bool, len(namespaces))
	}
	for _, namespace := range namespaces {
		scope.Namespaces[namespace] = true
	}
	return scope
}

// HasNamespace reports whether a namespace may get targets.
func (s Scope) HasNamespace(namespace string) bool {
	return s.Namespaces == nil || s.Namespaces[namespace]
}

// InNamespaces returns the kinds of targets that are in namespaces.
func (s Scope) InNamespaces() []bundle.Kind {
	return slices.DeleteFunc(slices.Clone(s.Kinds), func(kind bundle.Kind) bool { return TypeOf(kind).ClusterScoped })
}

// HasKind reports whether Bundles may have targets of a kind.
func (s Scope) HasKind(kind bundle.Kind) bool { return slices.Contains(s.Kinds, kind) }
