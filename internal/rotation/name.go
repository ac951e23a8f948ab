package rotation

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"trust-manager.io/internal/bundle"
)

const (
	// LabelKey is the label of the ConfigMap, with the name of its Bundle.
	LabelKey = "trust.cert-manager.io/rotation"
	// infix separates a Bundle's name from its SHA-256 in the name of the ConfigMap. With the
	// SHA-256, the name is longer than the 63 characters that the name of a Bundle with a
	// target can have, so it never equals the name of a target.
	infix = ".rotation-"
	// bundleKind is the API kind whose names are in the names of ConfigMaps as they are.
	bundleKind = bundle.APIBundle
)

// Name returns the name of the ConfigMap of a bundle. It differs for bundles of one name and
// different API kinds.
func Name(id bundle.ID) string {
	hashed := id.Name
	if id.Kind != bundleKind {
		hashed = id.Kind.String() + "/" + id.Name
	}
	sum := sha256.Sum256([]byte(hashed))
	return id.Name + infix + hex.EncodeToString(sum[:])
}

// BundleOf returns the bundle whose ConfigMap has this name; ok is false for any other
// name.
func BundleOf(name string) (id bundle.ID, ok bool) {
	at := strings.LastIndex(name, infix)
	if at < 0 {
		return bundle.ID{}, false
	}
	id = bundle.ID{Kind: bundleKind, Name: name[:at]}
	for _, id := range []bundle.ID{id, id.Peer()} {
		if Name(id) == name {
			return id, true
		}
	}
	return id, false
}

// Is reports whether a ConfigMap holds a rotation state, by its name or, if it is a copy
// under another name, by its label. Such a ConfigMap is never a source.
func Is(name string, labels map[string]string) bool {
	_, labelled := labels[LabelKey]
	_, named := BundleOf(name)
	return labelled || named
}
