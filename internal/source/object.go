package source

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/rotation"
)

// object is the content of a ConfigMap or Secret as a source. It shares memory with the
// cache.
type object struct {
	name   string
	labels map[string]string
	// text takes precedence over binary (S4); a Secret has no text.
	text   map[string]string
	binary map[string][]byte
	// hasPrivateKey is true if the object contains a private key beside its
	// certificates.
	hasPrivateKey bool
}

func fromConfigMap(cm *corev1.ConfigMap) object {
	return object{name: cm.Name, labels: cm.Labels, text: cm.Data, binary: cm.BinaryData}
}

func fromSecret(secret *corev1.Secret) object {
	return object{name: secret.Name, labels: secret.Labels, binary: secret.Data, hasPrivateKey: secret.Type == corev1.SecretTypeTLS}
}

// isTarget reports whether the object is, or is about to become, a target of the Bundle.
func (o object) isTarget(kind bundle.Kind, spec bundle.Spec) bool {
	return o.name == spec.ID.Name && (spec.HasTarget(kind) || o.labels[spec.Marks.Label] == o.name)
}

// isState reports whether the object stores the rotation state of a Bundle.
func (o object) isState(kind bundle.Kind) bool {
	return kind == bundle.ConfigMap && rotation.Is(o.name, o.labels)
}

// input returns the keys of the object that a source reads.
func (o object) input(source bundle.ObjectSource, origin certs.Origin) bundle.Input {
	input := bundle.Input{Origin: origin}
	switch {
	case source.Pattern != "":
		return o.matching(source, origin)
	case !source.AllKeys:
		text, ok := o.value(source.Key)
		if !ok {
			origin.Key = source.Key
			return notFound(source, origin, "the object has no such key")
		}
		input.Texts = []bundle.Text{{Key: source.Key, PEM: text}}
	case o.hasPrivateKey:
		input.Problem = &certs.Problem{Origin: origin, Reason: certs.SourceBuildError,
			Detail: "includeAllKeys is not allowed for a Secret of type kubernetes.io/tls, because it would read the private key; set key instead"}
	default:
		for _, key := range o.keys() {
			text, _ := o.value(key)
			input.Texts = append(input.Texts, bundle.Text{Key: key, PEM: text})
		}
	}
	if source.Optional && input.Problem == nil && isBlank(input.Texts) {
		if !source.AllKeys {
			origin.Key = source.Key
		}
		return blank(origin)
	}
	return input
}

// matching returns the keys of the object that a source's pattern matches.
func (o object) matching(source bundle.ObjectSource, origin certs.Origin) bundle.Input {
	input := bundle.Input{Origin: origin}
	for _, key := range o.keys() {
		if source.Pattern.Matches(key) {
			text, _ := o.value(key)
			input.Texts = append(input.Texts, bundle.Text{Key: key, PEM: text})
		}
	}
	switch {
	case len(input.Texts) == 0:
		origin.Key = string(source.Pattern)
		return notFound(source, origin, "the object has no key that matches the pattern")
	case o.hasPrivateKey && source.Pattern.Matches(corev1.TLSPrivateKeyKey):
		input.Problem = &certs.Problem{Origin: origin, Reason: certs.SourceBuildError,
			Detail: fmt.Sprintf("the pattern %q matches the private key of a Secret of type kubernetes.io/tls, under tls.key; use a narrower one, such as *.crt", source.Pattern)}
	case source.Optional && isBlank(input.Texts):
		return blank(origin)
	}
	return input
}

// blank returns the input for an optional source without content.
func blank(origin certs.Origin) bundle.Input {
	return ignored(origin, "there is only white space or a comment")
}

// isBlank reports whether texts have nothing but white space and comments (S7b).
func isBlank(texts []bundle.Text) bool {
	return !slices.ContainsFunc(texts, func(text bundle.Text) bool { return !certs.IsBlank(text.PEM) })
}

func (o object) value(key string) (string, bool) {
	if text, ok := o.text[key]; ok {
		return text, true
	}
	value, ok := o.binary[key]
	return string(value), ok
}

// keys returns all keys in sorted order (S1). The API server does not allow the same key
// as both text and binary.
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
