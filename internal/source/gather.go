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
	"cmp"
	"context"
	"fmt"
	"slices"

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
	// Inputs are in the order of the sources and, where one selects objects, of
	// their names.
	Inputs []bundle.Input
	// DefaultCAVersion is the id of the default CA package that was read, or
	// empty.
	DefaultCAVersion string
}

// Gather reads all sources of a Bundle.
func (g *Gatherer) Gather(ctx context.Context, spec bundle.Spec) (Gathered, error) {
	var gathered Gathered
	for _, source := range spec.Sources {
		origin := certs.Origin{Field: source.Field}
		switch {
		case source.Object != nil:
			inputs, err := g.objectsOf(ctx, *source.Object, origin, spec)
			if err != nil {
				return Gathered{}, fmt.Errorf("%s: %w", source.Field, err)
			}
			gathered.Inputs = append(gathered.Inputs, inputs...)
		case source.DefaultCAs:
			input := bundle.Input{Origin: origin, Source: "default CA package"}
			gathered.DefaultCAVersion = g.defaults(&input)
			gathered.Inputs = append(gathered.Inputs, input)
		default:
			gathered.Inputs = append(gathered.Inputs, bundle.Input{Origin: origin, Texts: []bundle.Text{{PEM: source.Text}}})
		}
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

// objectsOf reads the objects that a source names or selects.
func (g *Gatherer) objectsOf(ctx context.Context, from bundle.ObjectSource, origin certs.Origin, spec bundle.Spec) ([]bundle.Input, error) {
	origin.Object = fmt.Sprintf("%s %s/%s", from.Kind, g.namespace, from.Name)
	if from.Selector != nil {
		found, err := g.selected(ctx, from, spec)
		if err != nil {
			return nil, err
		}
		inputs := make([]bundle.Input, 0, len(found))
		for _, one := range found {
			origin.Object = fmt.Sprintf("%s %s/%s", from.Kind, g.namespace, one.name)
			inputs = append(inputs, one.input(from, origin))
		}
		return inputs, nil
	}
	one, err := g.named(ctx, from)
	var input bundle.Input
	switch {
	case apierrors.IsNotFound(err):
		input = lacking(from, origin, "the object does not exist")
	case err != nil:
		return nil, err
	case one.isState(from.Kind):
		input = bundle.Input{Origin: origin, Problem: &certs.Problem{Origin: origin, Reason: certs.SourceBuildError,
			Detail: "the object keeps what the rotation of a Bundle needs, and is never a source"}}
	default:
		input = one.input(from, origin)
	}
	input.Source = fmt.Sprintf("%s, key %q", origin.Object, from.Key)
	if from.AllKeys {
		input.Source = origin.Object + ", all keys"
	}
	return []bundle.Input{input}, nil
}

// lacking is the input of what does not exist: a problem, unless the source is
// optional.
func lacking(from bundle.ObjectSource, origin certs.Origin, detail string) bundle.Input {
	problem := missing(origin, detail)
	switch {
	case !from.Optional:
		return bundle.Input{Origin: origin, Problem: problem}
	case from.Selector != nil:
		return bundle.Input{Origin: origin, Absent: true} // one of many, which need not be told of
	}
	return bundle.Input{Origin: origin, Absent: true, Note: problem.Error() + ", and need not, since the source is optional"}
}

// named reads the object that a source names.
func (g *Gatherer) named(ctx context.Context, from bundle.ObjectSource) (object, error) {
	name := types.NamespacedName{Namespace: g.namespace, Name: from.Name}
	if from.Kind == bundle.Secret {
		var secret corev1.Secret
		err := g.objects.Get(ctx, name, &secret)
		return fromSecret(&secret), err
	}
	var configMap corev1.ConfigMap
	err := g.objects.Get(ctx, name, &configMap)
	return fromConfigMap(&configMap), err
}

// selected lists the objects that a source selects, in the order of their names
// (S1), without the Bundle's own targets (V7) and without what rotation remembers.
func (g *Gatherer) selected(ctx context.Context, from bundle.ObjectSource, spec bundle.Spec) ([]object, error) {
	options := []client.ListOption{client.InNamespace(g.namespace), client.MatchingLabelsSelector{Selector: from.Selector}}
	var found []object
	if from.Kind == bundle.Secret {
		var list corev1.SecretList
		if err := g.objects.List(ctx, &list, options...); err != nil {
			return nil, err
		}
		for i := range list.Items {
			found = append(found, fromSecret(&list.Items[i]))
		}
	} else {
		var list corev1.ConfigMapList
		if err := g.objects.List(ctx, &list, options...); err != nil {
			return nil, err
		}
		for i := range list.Items {
			found = append(found, fromConfigMap(&list.Items[i]))
		}
	}
	found = slices.DeleteFunc(found, func(o object) bool { return o.isTarget(from.Kind, spec) || o.isState(from.Kind) })
	slices.SortFunc(found, func(a, b object) int { return cmp.Compare(a.name, b.name) })
	return found, nil
}

func missing(origin certs.Origin, detail string) *certs.Problem {
	return &certs.Problem{Origin: origin, Reason: certs.SourceNotFound, Detail: detail}
}
