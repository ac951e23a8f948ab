package retention

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"trust-manager.io/api/trust/v1alpha1"
)

// infix separates a Bundle's name from its SHA-256 in the name of the ConfigMap. With the
// SHA-256, the name is longer than the 63 characters that the name of a Bundle with a
// target can have, so it never equals the name of a target.
const infix = ".rotation-"

// Name returns the name of the ConfigMap of a Bundle.
func Name(bundle string) string {
	sum := sha256.Sum256([]byte(bundle))
	return bundle + infix + hex.EncodeToString(sum[:])
}

// BundleOf returns the Bundle whose ConfigMap has this name; ok is false for any other
// name.
func BundleOf(name string) (bundle string, ok bool) {
	at := strings.LastIndex(name, infix)
	if at < 0 || Name(name[:at]) != name {
		return "", false
	}
	return name[:at], true
}

// Is reports whether a ConfigMap holds a rotation state, by its name or, if it is a copy
// under another name, by its label. Such a ConfigMap is never a source.
func Is(name string, labels map[string]string) bool {
	_, labelled := labels[v1alpha1.RotationLabelKey]
	_, named := BundleOf(name)
	return labelled || named
}
