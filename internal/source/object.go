package source

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/retention"
)

// object is a ConfigMap or Secret as a source reads it. It shares the memory of
// the cache.
type object struct {
	name   string
	labels map[string]string
	// text comes before binary (S4); a Secret has no text.
	text   map[string]string
	binary map[string][]byte
	// holdsKey says that a private key is beside the certificates.
	holdsKey bool
}

func fromConfigMap(from *corev1.ConfigMap) object {
	return object{name: from.Name, labels: from.Labels, text: from.Data, binary: from.BinaryData}
}

func fromSecret(from *corev1.Secret) object {
	return object{name: from.Name, labels: from.Labels, binary: from.Data, holdsKey: from.Type == corev1.SecretTypeTLS}
}

// isTarget says whether the Bundle writes the object itself, or is about to.
func (o object) isTarget(kind bundle.Kind, spec bundle.Spec) bool {
	return o.name == spec.Name && (spec.HasTarget(kind) || o.labels[v1alpha1.BundleLabelKey] == spec.Name)
}

// isState says whether the object keeps what the rotation of a Bundle needs.
func (o object) isState(kind bundle.Kind) bool {
	return kind == bundle.ConfigMap && retention.Is(o.name, o.labels)
}

// input reads what a source asks for of the object.
func (o object) input(from bundle.ObjectSource, origin certs.Origin) bundle.Input {
	input := bundle.Input{Origin: origin}
	switch {
	case !from.AllKeys:
		text, ok := o.value(from.Key)
		if !ok {
			origin.Key = from.Key
			return lacking(from, origin, "the object has no such key")
		}
		input.Texts = []bundle.Text{{Key: from.Key, PEM: text}}
	case o.holdsKey:
		input.Problem = &certs.Problem{Origin: origin, Reason: certs.SourceBuildError,
			Detail: "includeAllKeys is refused for a Secret of type kubernetes.io/tls, since it would read the private key; name a key"}
	default:
		for _, key := range o.keys() {
			text, _ := o.value(key)
			input.Texts = append(input.Texts, bundle.Text{Key: key, PEM: text})
		}
	}
	return input
}

// value gives the value of a key.
func (o object) value(key string) (string, bool) {
	if text, ok := o.text[key]; ok {
		return text, true
	}
	value, ok := o.binary[key]
	return string(value), ok
}

// keys gives all keys in order (S1). No key is both text and binary: the API
// server refuses that.
func (o object) keys() []string {
	keys := make([]string, 0, len(o.text)+len(o.binary))
	for key := range o.text {
		keys = append(keys, key)
	}
	for key := range o.binary {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
