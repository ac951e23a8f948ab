package survey

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	certificatesv1 "k8s.io/api/certificates/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/build"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/source"
	"trust-manager.io/internal/target"
)

// Config is what a cluster is read with.
type Config struct {
	// Live reads the API server.
	Live client.Reader
	// Sources reads the ConfigMaps and Secrets of the trust namespace.
	Sources        client.Reader
	TrustNamespace string
	// DefaultCAs is the default CA package. If it is nil, the package is derived from the targets
	// of Bundles that use it.
	DefaultCAs *source.DefaultCAs
	// Filter is what the operator filters unless a Bundle says otherwise.
	Filter bundle.Filter
	Clock  clock.PassiveClock
}

// Cluster reads the bundles of a cluster. It is not safe for concurrent use.
type Cluster struct {
	config      Config
	definitions []Definition
	namespaces  []metav1.PartialObjectMetadata
	targets     map[listing][]Target
	built       map[client.Object]*Bundle
	defaultCAs  *source.DefaultCAs
	// derived reports that the default CA package was derived from targets.
	derived bool
	notes   []string
}

// Notes returns what could not be read, of the bundles that were read so far.
func (c *Cluster) Notes() []string { return c.notes }

// note adds a note unless there is the same one.
func (c *Cluster) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(c.notes, text) {
		c.notes = append(c.notes, text)
	}
}

// Definition is an API object that defines a bundle, what it says, and what is invalid in it.
type Definition struct {
	Object  client.Object
	Spec    bundle.Spec
	Invalid bundle.Problems
}

// NewCluster returns a Cluster that has read nothing yet.
func NewCluster(config Config) *Cluster {
	config.Sources = newMemo(config.Sources)
	return &Cluster{config: config, targets: map[listing][]Target{}, built: map[client.Object]*Bundle{}, defaultCAs: config.DefaultCAs}
}

// ErrNotInstalled is the error for a cluster that serves no API kind of bundles.
var ErrNotInstalled = errors.New("the cluster serves neither Bundles nor ClusterBundles; is trust-manager installed?")

// Definitions returns the definitions of all bundles, by name; a ClusterBundle follows the Bundle
// of its name.
func (c *Cluster) Definitions(ctx context.Context) ([]Definition, error) {
	if c.definitions != nil {
		return c.definitions, nil
	}
	definitions, served := []Definition{}, 0
	for _, adapter := range apis.All() {
		list := adapter.NewList()
		switch err := c.config.Live.List(ctx, list); {
		case meta.IsNoMatchError(err) || apierrors.IsNotFound(err):
			continue
		case err != nil:
			return nil, fmt.Errorf("listing %ss: %w", adapter.Marks().Kind, err)
		}
		served++
		err := meta.EachListItem(list, func(item runtime.Object) error {
			object := item.(client.Object) //nolint:forcetypeassert // the adapter's list has nothing else
			spec, invalid := adapter.Spec(object)
			definitions = append(definitions, Definition{Object: object, Spec: spec, Invalid: invalid})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if served == 0 {
		return nil, ErrNotInstalled
	}
	slices.SortStableFunc(definitions, func(a, b Definition) int { return cmp.Compare(a.Spec.ID.Name, b.Spec.ID.Name) })
	c.definitions = definitions
	return definitions, nil
}

// Namespaces returns the metadata of all namespaces that are not being deleted.
func (c *Cluster) Namespaces(ctx context.Context) ([]metav1.PartialObjectMetadata, error) {
	if c.namespaces != nil {
		return c.namespaces, nil
	}
	list := &metav1.PartialObjectMetadataList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "NamespaceList"}}
	if err := c.config.Live.List(ctx, list); err != nil {
		return nil, fmt.Errorf("listing namespaces: %w", err)
	}
	c.namespaces = slices.DeleteFunc(list.Items, func(n metav1.PartialObjectMetadata) bool { return n.DeletionTimestamp != nil })
	return c.namespaces, nil
}

// builder returns what a build of a definition reads.
func (c *Cluster) builder(ctx context.Context, definition Definition) (*build.Config, *source.Gatherer, error) {
	allowed, err := allowAll(definition.Spec)
	if err != nil {
		return nil, nil, err
	}
	defaultCAs := &source.DefaultCAs{}
	if usesDefaultCAs(definition.Spec) {
		if defaultCAs, _, err = c.DefaultCAs(ctx); err != nil {
			return nil, nil, err
		}
	}
	gatherer := source.NewGatherer(source.Config{
		Objects: c.config.Sources, TrustNamespace: c.config.TrustNamespace, DefaultCAs: defaultCAs,
		TrustBundles: trustBundles{ctx: ctx, live: c.config.Live}, Allowed: allowed, TargetLabels: apis.All().Labels(),
	})
	return &build.Config{Sources: gatherer, Filter: c.config.Filter, Scope: allKinds(), Clock: c.config.Clock}, gatherer, nil
}

// allKinds returns the scope of all kinds of targets and all namespaces: the flags of the operator
// that limit them are unknown.
func allKinds() target.Scope {
	return target.NewScope([]bundle.Kind{bundle.ConfigMap, bundle.Secret, bundle.ClusterTrustBundle}, nil)
}

// allowAll allows all ClusterTrustBundles that a bundle reads: the flag of the operator that limits
// them is unknown.
func allowAll(spec bundle.Spec) (source.AllowedTrustBundles, error) {
	var values []string
	for _, s := range spec.Sources {
		if s.TrustBundle != nil {
			values = append(values, cmp.Or(s.TrustBundle.Name, s.TrustBundle.Signer))
		}
	}
	return source.AllowTrustBundles(values)
}

// trustBundles reads the ClusterTrustBundles of a cluster.
type trustBundles struct {
	ctx  context.Context //nolint:containedctx // the interface that it implements has none
	live client.Reader
}

// List implements [source.TrustBundles].
func (t trustBundles) List() ([]*certificatesv1.ClusterTrustBundle, error) {
	list, err := listUnstructured(t.ctx, t.live, target.TypeOf(bundle.ClusterTrustBundle))
	if err != nil {
		return nil, err
	}
	result := make([]*certificatesv1.ClusterTrustBundle, len(list.Items))
	for i := range list.Items {
		result[i] = &certificatesv1.ClusterTrustBundle{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(list.Items[i].Object, result[i]); err != nil {
			return nil, err
		}
	}
	return result, nil
}
