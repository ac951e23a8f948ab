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
	objects      client.Reader
	namespace    string
	defaultCAs   *DefaultCAs
	trustBundles TrustBundles
	allowed      AllowedTrustBundles
	targetLabels []string
}

// Config is what sources are read from.
type Config struct {
	// Objects reads ConfigMaps and Secrets, which are in the trust namespace.
	Objects        client.Reader
	TrustNamespace string
	DefaultCAs     *DefaultCAs
	// TrustBundles reads ClusterTrustBundles, of which Allowed ones may be sources. It may be
	// nil if none is.
	TrustBundles TrustBundles
	Allowed      AllowedTrustBundles
	// TargetLabels are the labels of targets, which are no sources.
	TargetLabels []string
}

// NewGatherer returns a Gatherer.
func NewGatherer(config Config) *Gatherer {
	return &Gatherer{
		objects: config.Objects, namespace: config.TrustNamespace, defaultCAs: config.DefaultCAs,
		trustBundles: config.TrustBundles, allowed: config.Allowed, targetLabels: config.TargetLabels,
	}
}

// Gathered contains the inputs from which a bundle is built.
type Gathered struct {
	// Inputs are in the order of the sources; the objects of a selector are in the
	// order of their names.
	Inputs []bundle.Input
	// DefaultCAVersion is the ID of the default CA package, or empty if no source uses
	// it.
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
		case source.TrustBundle != nil:
			gathered.Inputs = append(gathered.Inputs, g.trustBundlesOf(*source.TrustBundle, origin)...)
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

// defaults sets input to the default CA package and returns the ID of the package.
func (g *Gatherer) defaults(input *bundle.Input) (id string) {
	current := g.defaultCAs.current.Load()
	if current == nil {
		input.Problem = missing(input.Origin, "no default CA package is configured; "+
			"start the operator with --default-package-location, or enable defaultPackage in the Helm values")
		return ""
	}
	input.Origin.Object = OriginOf(current.id).Object
	input.Texts = []bundle.Text{{Parsed: &current.parsed}}
	if current.reloadError != "" {
		input.Note = fmt.Sprintf("the default CA package %s stays in use, because its new version is invalid: %s", current.id, current.reloadError)
	}
	return current.id
}

// objectsOf reads the objects that a source names or selects.
func (g *Gatherer) objectsOf(ctx context.Context, source bundle.ObjectSource, origin certs.Origin, spec bundle.Spec) ([]bundle.Input, error) {
	origin.Object = fmt.Sprintf("%s %s/%s", source.Kind, g.namespace, source.Name)
	if source.Selector != nil {
		objects, err := g.list(ctx, source, spec)
		if err != nil {
			return nil, err
		}
		inputs := make([]bundle.Input, 0, len(objects))
		for _, obj := range objects {
			origin.Object = fmt.Sprintf("%s %s/%s", source.Kind, g.namespace, obj.name)
			inputs = append(inputs, obj.input(source, origin))
		}
		return inputs, nil
	}
	obj, err := g.get(ctx, source)
	var input bundle.Input
	switch {
	case apierrors.IsNotFound(err):
		input = notFound(source, origin, "the object does not exist")
	case err != nil:
		return nil, err
	case obj.isState(source.Kind):
		input = bundle.Input{Origin: origin, Problem: &certs.Problem{Origin: origin, Reason: certs.SourceBuildError,
			Detail: "the object stores the rotation state of a Bundle, which is never a source"}}
	default:
		input = obj.input(source, origin)
	}
	input.Source = identityOf(source, origin.Object)
	return []bundle.Input{input}, nil
}

// identityOf returns what a source reads, by the name of its object. It is the same for all API
// kinds, so that a rotation state remains valid when one replaces another.
func identityOf(source bundle.ObjectSource, object string) string {
	switch {
	case source.AllKeys || source.Pattern == "*":
		return object + ", all keys"
	case source.Pattern != "":
		return fmt.Sprintf("%s, keys %q", object, source.Pattern)
	}
	return fmt.Sprintf("%s, key %q", object, source.Key)
}

// notFound returns the input for an object or key that does not exist: a problem, unless
// the source is optional.
func notFound(source bundle.ObjectSource, origin certs.Origin, detail string) bundle.Input {
	switch {
	case !source.Optional:
		return bundle.Input{Origin: origin, Problem: missing(origin, detail)}
	case source.Selector != nil:
		return bundle.Input{Origin: origin, Absent: true} // one of many, not worth a note
	}
	return ignored(origin, detail)
}

// ignored returns the input for an optional source that has nothing to read.
func ignored(origin certs.Origin, detail string) bundle.Input {
	return bundle.Input{Origin: origin, Absent: true,
		Note: missing(origin, detail).Error() + "; ignored because the source is optional"}
}

// get reads the object that a source names.
func (g *Gatherer) get(ctx context.Context, source bundle.ObjectSource) (object, error) {
	key := types.NamespacedName{Namespace: g.namespace, Name: source.Name}
	if source.Kind == bundle.Secret {
		var secret corev1.Secret
		err := g.objects.Get(ctx, key, &secret)
		return fromSecret(&secret), err
	}
	var configMap corev1.ConfigMap
	err := g.objects.Get(ctx, key, &configMap)
	return fromConfigMap(&configMap), err
}

// list reads the objects that a source selects, in the order of their names (S1). It
// leaves out the Bundle's own targets (V7) and rotation states.
func (g *Gatherer) list(ctx context.Context, source bundle.ObjectSource, spec bundle.Spec) ([]object, error) {
	options := []client.ListOption{client.InNamespace(g.namespace), client.MatchingLabelsSelector{Selector: source.Selector}}
	var objects []object
	if source.Kind == bundle.Secret {
		var list corev1.SecretList
		if err := g.objects.List(ctx, &list, options...); err != nil {
			return nil, err
		}
		for i := range list.Items {
			objects = append(objects, fromSecret(&list.Items[i]))
		}
	} else {
		var list corev1.ConfigMapList
		if err := g.objects.List(ctx, &list, options...); err != nil {
			return nil, err
		}
		for i := range list.Items {
			objects = append(objects, fromConfigMap(&list.Items[i]))
		}
	}
	objects = slices.DeleteFunc(objects, func(o object) bool { return o.isTarget(source.Kind, spec) || o.isState(source.Kind) })
	slices.SortFunc(objects, func(a, b object) int { return cmp.Compare(a.name, b.name) })
	return objects, nil
}

func missing(origin certs.Origin, detail string) *certs.Problem {
	return &certs.Problem{Origin: origin, Reason: certs.SourceNotFound, Detail: detail}
}
