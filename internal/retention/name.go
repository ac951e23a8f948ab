// Package retention turns what is remembered of a Bundle's certificates (bundle.State)
// into a ConfigMap that people can read and edit, and back.
//
// What always holds: nothing comes out of an object but whole certificates whose
// fingerprint is the one in their key; what cannot be read is told, adds nothing, and is
// kept as it is for whoever wrote it; the same state gives the same object. The package
// does no input or output, asks for no time and logs nothing.
//
// It does not know what is retained, or why: that is package bundle.
package retention

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"trust-manager.io/api/trust/v1alpha1"
)

// infix stands between a Bundle's name and its SHA-256 in the name of its ConfigMap.
// With the SHA-256 the name has more than the 63 characters that a Bundle with a
// target can have, so it is never that of a target.
const infix = ".rotation-"

// Name gives the name of the ConfigMap of a Bundle.
func Name(bundle string) string {
	sum := sha256.Sum256([]byte(bundle))
	return bundle + infix + hex.EncodeToString(sum[:])
}

// BundleOf gives the Bundle whose ConfigMap has this name; ok is false for the name of
// any other object.
func BundleOf(name string) (bundle string, ok bool) {
	at := strings.LastIndex(name, infix)
	if at < 0 || Name(name[:at]) != name {
		return "", false
	}
	return name[:at], true
}

// Is says whether a ConfigMap is one that keeps a state, by its name or, if it was
// copied under another one, by its label. It is never a source.
func Is(name string, labels map[string]string) bool {
	_, labelled := labels[v1alpha1.RotationLabelKey]
	_, named := BundleOf(name)
	return labelled || named
}
