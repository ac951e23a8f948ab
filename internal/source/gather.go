// Package source reads what the bundles are made from: ConfigMaps and Secrets
// of the trust namespace, and the default CA package.
//
// What always holds: objects are read in the trust namespace alone, whatever a
// Bundle says; a source that does not exist is a problem with its origin, not
// an error; an error means that reading itself failed and is worth trying
// again.
//
// It does not parse sources: that is package bundle.
package source

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
)

// Gatherer reads sources. It is safe for concurrent use.
type Gatherer struct {
	objects    client.Reader
	namespace  string
	defaultCAs *DefaultCAs
}

// NewGatherer makes a Gatherer that reads objects of the trust namespace.
func NewGatherer(objects client.Reader, trustNamespace string, defaultCAs *DefaultCAs) *Gatherer {
	return &Gatherer{objects: objects, namespace: trustNamespace, defaultCAs: defaultCAs}
}

// Gathered is everything that a bundle is built from.
type Gathered struct {
	// Inputs has one for each source, in order.
	Inputs []bundle.Input
	// DefaultCAVersion is the id of the default CA package that was read, or
	// empty.
	DefaultCAVersion string
}

// Gather reads all sources of a Bundle.
func (g *Gatherer) Gather(ctx context.Context, spec bundle.Spec) (Gathered, error) {
	var gathered Gathered
	for _, source := range spec.Sources {
		input := bundle.Input{Origin: certs.Origin{Field: source.Field}}
		var err error
		switch {
		case source.Object != nil:
			err = g.object(ctx, *source.Object, &input)
		case source.DefaultCAs:
			gathered.DefaultCAVersion = g.defaults(&input)
		default:
			input.Texts = []bundle.Text{{PEM: source.Text}}
		}
		if err != nil {
			return Gathered{}, fmt.Errorf("%s: %w", source.Field, err)
		}
		gathered.Inputs = append(gathered.Inputs, input)
	}
	return gathered, nil
}

// defaults gives the default CA package as an input, and its id.
func (g *Gatherer) defaults(input *bundle.Input) (id string) {
	current := g.defaultCAs.current.Load()
	if current == nil {
		input.Problem = missing(input.Origin, "there is no default CA package; "+
			"start the operator with --default-package-location, or enable defaultPackage in the Helm values")
		return ""
	}
	input.Origin.Object = "default CA package " + current.id
	input.Texts = []bundle.Text{{Parsed: &current.parsed}}
	if current.fault != "" {
		input.Note = fmt.Sprintf("the default CA package %s stays in use, since its new version cannot be used: %s", current.id, current.fault)
	}
	return current.id
}

// object reads one key of a ConfigMap or Secret.
func (g *Gatherer) object(ctx context.Context, from bundle.ObjectSource, input *bundle.Input) error {
	input.Origin.Object = fmt.Sprintf("%s %s/%s", from.Kind, g.namespace, from.Name)
	values, err := g.values(ctx, from)
	if apierrors.IsNotFound(err) {
		input.Problem = missing(input.Origin, "the object does not exist")
		return nil
	}
	if err != nil {
		return err
	}
	text, ok := values(from.Key)
	if !ok {
		input.Origin.Key = from.Key
		input.Problem = missing(input.Origin, "the object has no such key")
		return nil
	}
	input.Texts = []bundle.Text{{Key: from.Key, PEM: text}}
	return nil
}

// values reads an object and gives a look-up of its keys. A ConfigMap's data
// comes before its binaryData (S4).
func (g *Gatherer) values(ctx context.Context, from bundle.ObjectSource) (func(key string) (string, bool), error) {
	name := types.NamespacedName{Namespace: g.namespace, Name: from.Name}
	if from.Kind == bundle.Secret {
		var secret corev1.Secret
		err := g.objects.Get(ctx, name, &secret)
		return func(key string) (string, bool) {
			value, ok := secret.Data[key]
			return string(value), ok
		}, err
	}
	var configMap corev1.ConfigMap
	err := g.objects.Get(ctx, name, &configMap)
	return func(key string) (string, bool) {
		if text, ok := configMap.Data[key]; ok {
			return text, true
		}
		value, ok := configMap.BinaryData[key]
		return string(value), ok
	}, err
}

func missing(origin certs.Origin, detail string) *certs.Problem {
	return &certs.Problem{Origin: origin, Reason: certs.SourceNotFound, Detail: detail}
}
