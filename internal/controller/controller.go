package controller

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/build"
	"trust-manager.io/internal/bundle"
	bundlecontroller "trust-manager.io/internal/controller/bundle"
	"trust-manager.io/internal/controller/definition"
	"trust-manager.io/internal/controller/metadata"
	"trust-manager.io/internal/controller/status"
	targetcontroller "trust-manager.io/internal/controller/target"
	"trust-manager.io/internal/controller/trustbundle"
	"trust-manager.io/internal/controller/watch"
	"trust-manager.io/internal/ledger"
	"trust-manager.io/internal/metrics"
	"trust-manager.io/internal/revision"
	"trust-manager.io/internal/rotation/store"
	"trust-manager.io/internal/source"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/target/writer"
	"trust-manager.io/internal/workqueue"
)

// Options configures the controllers.
type Options struct {
	// APIs are the served API kinds that define bundles.
	APIs apis.Adapters
	// Kinds knows which API kinds are served.
	Kinds *definition.Served
	// TrustNamespace is the only namespace in which sources are read.
	TrustNamespace string
	// TargetNamespaces limits targets, and the watches of targets, to these namespaces.
	// If empty, all namespaces can have targets.
	TargetNamespaces []string
	// SecretTargets enables Secret targets, and TrustBundleTargets ClusterTrustBundle targets.
	SecretTargets, TrustBundleTargets bool
	// TrustBundleSources are the ClusterTrustBundles that sources may read.
	TrustBundleSources source.AllowedTrustBundles
	// SecretsByName is set if RBAC allows the operator to create Secrets by name only.
	SecretsByName bool
	// Filter provides the defaults for the filters that a Bundle does not set.
	Filter bundle.Filter
	// Concurrency is the number of targets that are reconciled concurrently.
	Concurrency int
	// DefaultCAs is the default CA package.
	DefaultCAs *source.DefaultCAs
	// Clock provides the time for the expiry of certificates and for measurements.
	Clock clock.PassiveClock
	// Metrics registers the operator's metrics.
	Metrics prometheus.Registerer
}

// Add adds the controllers to a manager, which must have been created with [CacheOptions].
// They start with the manager or, with leader election, once it is the leader.
func Add(ctx context.Context, mgr manager.Manager, options Options) error {
	scope, err := newScope(ctx, mgr, options)
	if err != nil {
		return err
	}
	trustBundles, err := newTrustBundles(mgr, options)
	if err != nil {
		return err
	}
	targets, readers, err := newTargetCaches(mgr, options.APIs, scope, trustBundles)
	if err != nil {
		return err
	}
	if err := prepareCaches(ctx, mgr.GetCache(), targets, scope.InNamespaces(), options.APIs); err != nil {
		return fmt.Errorf("preparing the caches: %w", err)
	}
	shared := &shared{
		apis:      options.APIs,
		scope:     scope,
		targets:   readers,
		trust:     trustBundles,
		revisions: revision.New(),
		ledger:    ledger.New(),
		queues: queues{
			bundles:  workqueue.New[bundle.ID]("bundle"),
			targets:  workqueue.New[target.Key]("target"),
			statuses: workqueue.New[bundle.ID]("status"),
		},
	}
	shared.pool = targetcontroller.NewPool(options.Concurrency, shared.queues.targets, options.Clock)
	if shared.metrics, err = metrics.New(options.Metrics, shared.ledger, options.Clock); err != nil {
		return fmt.Errorf("registering the metrics: %w", err)
	}
	bundles := newBundleReconciler(mgr, shared, options)
	if err := bundles.Register(mgr); err != nil {
		return err
	}
	reconciler, err := addTargets(mgr, shared, options, targets)
	if err != nil {
		return err
	}
	if err := addTrustBundles(mgr, shared, bundles, reconciler); err != nil {
		return err
	}
	if err := addStatuses(mgr, shared, options); err != nil {
		return err
	}
	return errors.Join(
		mgr.Add(watchDefaultCAs(bundles, options.DefaultCAs, mgr.GetLogger())),
		mgr.Add(allReplicas(func(ctx context.Context) error { return options.Kinds.Watch(ctx, options.APIs) })),
	)
}

// shared holds the dependencies that the controllers share.
type shared struct {
	apis      apis.Adapters
	scope     target.Scope
	targets   metadata.Targets
	trust     *trustbundle.Watcher
	revisions *revision.Store
	ledger    *ledger.Ledger
	queues    queues
	pool      *targetcontroller.Pool
	metrics   *metrics.Metrics
}

type queues struct {
	bundles, statuses *workqueue.Queue[bundle.ID]
	targets           *workqueue.Queue[target.Key]
}

func newBundleReconciler(mgr manager.Manager, shared *shared, options Options) *bundlecontroller.Reconciler {
	return bundlecontroller.New(bundlecontroller.Config{
		APIs:    shared.apis,
		Objects: mgr.GetCache(),
		Targets: shared.targets,
		Builds: build.Config{
			Sources: source.NewGatherer(source.Config{
				Objects: mgr.GetCache(), TrustNamespace: options.TrustNamespace, DefaultCAs: options.DefaultCAs,
				TrustBundles: shared.trust, Allowed: options.TrustBundleSources, TargetLabels: apis.All().Labels(),
			}),
			Filter: options.Filter,
			Scope:  shared.scope,
			Clock:  options.Clock,
		},
		States:      store.New(mgr.GetCache(), mgr.GetClient(), options.TrustNamespace, options.Clock),
		Scope:       shared.scope,
		Revisions:   shared.revisions,
		Ledger:      shared.ledger,
		Queue:       shared.queues.bundles,
		Statuses:    shared.queues.statuses,
		TargetQueue: shared.queues.targets,
		TargetPool:  shared.pool,
		Clock:       options.Clock,
		Metrics:     shared.metrics,
	})
}

func addTargets(mgr manager.Manager, shared *shared, options Options, targets map[bundle.APIKind]cache.Cache) (*targetcontroller.Reconciler, error) {
	targetWriter, err := writer.New(mgr.GetConfig(), mgr.GetHTTPClient(), shared.trust.VersionOf)
	if err != nil {
		return nil, err
	}
	reconciler := targetcontroller.New(targetcontroller.Config{
		APIs:          shared.apis,
		Objects:       mgr.GetCache(),
		Targets:       shared.targets,
		Live:          mgr.GetAPIReader(),
		Hidden:        options.Kinds.Hidden,
		Writer:        targetWriter,
		Available:     shared.trust.Available,
		CreateByApply: options.SecretsByName,
		Scope:         shared.scope,
		Revisions:     shared.revisions,
		Ledger:        shared.ledger,
		Queue:         shared.queues.targets,
		Pool:          shared.pool,
		Statuses:      shared.queues.statuses,
		Clock:         options.Clock,
		Metrics:       shared.metrics,
	})
	return reconciler, reconciler.Register(mgr, options.Concurrency, targets)
}

// newTrustBundles returns the watch of ClusterTrustBundles, or nil if they are neither targets nor
// sources.
func newTrustBundles(mgr manager.Manager, options Options) (*trustbundle.Watcher, error) {
	if !options.TrustBundleTargets && !options.TrustBundleSources.Any() {
		return nil, nil
	}
	return trustbundle.New(mgr.GetConfig(), mgr.GetHTTPClient(), trustbundle.Config{
		KeepsContent: options.TrustBundleSources.Allows,
		Annotations:  apis.All().Annotations(),
	})
}

// addTrustBundles starts the watch of ClusterTrustBundles, if there is one, for sources and targets.
func addTrustBundles(mgr manager.Manager, shared *shared, bundles *bundlecontroller.Reconciler, targets *targetcontroller.Reconciler) error {
	if shared.trust == nil {
		return nil
	}
	areTargets := shared.scope.HasKind(bundle.ClusterTrustBundle)
	shared.trust.Notify(func(ctx context.Context, change watch.Change[*certificatesv1.ClusterTrustBundle]) {
		bundles.OnTrustBundle(ctx, change)
		if areTargets && !change.Initial {
			targets.OnDiscoveredChange(bundle.ClusterTrustBundle, trustbundle.MetadataChange(change))
		}
	}, func(ctx context.Context) {
		bundles.OnTrustBundles(ctx)
		if areTargets {
			targets.OnDiscovered(bundle.ClusterTrustBundle, shared.trust.Metadata())
		}
	})
	return mgr.Add(targetCache{trustBundleCache{watcher: shared.trust}})
}

// addStatuses adds the controller of statuses, and what it needs to know of the served
// CustomResourceDefinitions.
func addStatuses(mgr manager.Manager, shared *shared, options Options) error {
	definitions, err := definition.New(shared.apis, mgr.GetConfig(), mgr.GetHTTPClient(), func(kind bundle.APIKind, note string) {
		for _, id := range shared.ledger.SetNote(kind, note) {
			shared.queues.statuses.Add(workqueue.DefaultPriority, id)
		}
	})
	if err != nil {
		return err
	}
	statuses := status.New(status.Config{
		APIs: shared.apis, Bundles: mgr.GetCache(), Client: mgr.GetClient(), Events: mgr.GetEventRecorder(target.FieldManager),
		Ledger: shared.ledger, Queue: shared.queues.statuses, Clock: options.Clock,
		Missing: definitions.Missing, Recheck: definitions.Recheck,
	})
	return errors.Join(statuses.Register(mgr), mgr.Add(definitions))
}

// newScope returns the kinds and namespaces of targets. It leaves out namespaces that the
// operator may not watch. The operator restarts once it may watch one of them.
func newScope(ctx context.Context, mgr manager.Manager, options Options) (target.Scope, error) {
	kinds := []bundle.Kind{bundle.ConfigMap}
	if options.SecretTargets {
		kinds = append(kinds, bundle.Secret)
	}
	namespaces, forbidden := splitByPermission(ctx, mgr.GetAPIReader(), options.TargetNamespaces, kinds)
	scope := target.NewScope(kinds, namespaces)
	if options.TrustBundleTargets {
		scope.Kinds = append(scope.Kinds, bundle.ClusterTrustBundle)
	}
	if len(forbidden) == 0 {
		return scope, nil
	}
	if len(namespaces) == 0 {
		return scope, fmt.Errorf("--target-namespaces: the operator may not list %s in any of %s", kinds, forbidden)
	}
	return scope, mgr.Add(restartWhenPermitted(mgr.GetAPIReader(), forbidden, kinds, mgr.GetLogger()))
}

// watchDefaultCAs rebuilds the Bundles that use the default CA package when its file
// changes. Standbys watch the file as well, so that they do not take over with an outdated
// package.
func watchDefaultCAs(bundles *bundlecontroller.Reconciler, defaultCAs *source.DefaultCAs, log logr.Logger) allReplicas {
	return func(ctx context.Context) error {
		return defaultCAs.Watch(ctx, func(err error) {
			if err != nil {
				log.Error(err, "The new version of the default CA package cannot be used; the previous one stays")
			} else {
				log.Info("The default CA package has changed", "version", defaultCAs.ID())
			}
			bundles.EnqueueReaders(ctx, bundlecontroller.DefaultCAsKey, nil)
		})
	}
}

// CacheOptions returns the options of the manager's cache. It holds the Bundles of the served API
// kinds, the ConfigMaps and Secrets of the trust namespace, and the metadata of Namespaces. Reads
// return the cached objects without a copy, so callers must not modify them.
func CacheOptions(trustNamespace string, served apis.Adapters) cache.Options {
	shared := true
	sources := cache.ByObject{
		Namespaces:            map[string]cache.Config{trustNamespace: {}},
		UnsafeDisableDeepCopy: &shared,
	}
	byObject := map[client.Object]cache.ByObject{
		&corev1.ConfigMap{}: sources,
		&corev1.Secret{}:    sources,
		metadata.New(metadata.Namespace): {
			UnsafeDisableDeepCopy: &shared,
			Transform:             metadata.StripNamespace,
		},
	}
	for _, adapter := range served {
		byObject[adapter.New()] = cache.ByObject{UnsafeDisableDeepCopy: &shared}
	}
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		NewInformer:      metadata.NewInformer(metadata.StripNamespace),
		ByObject:         byObject,
	}
}

// RESTConfig returns the configuration of all clients of the operator. It disables
// client-side rate limiting, because API Priority and Fairness limits requests, and
// compression, which costs more than it saves within a cluster.
func RESTConfig(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.QPS = -1
	config.DisableCompression = true
	return config
}

// prepareCaches registers every informer and index before the caches start, so that all of
// them have synced before the first reconcile.
func prepareCaches(ctx context.Context, objects cache.Cache, targets map[bundle.APIKind]cache.Cache, kinds []bundle.Kind, served apis.Adapters) error {
	for _, object := range []client.Object{&corev1.ConfigMap{}, &corev1.Secret{}, metadata.New(metadata.Namespace)} {
		if _, err := objects.GetInformer(ctx, object); err != nil {
			return err
		}
	}
	for _, ofKind := range targets {
		for _, kind := range kinds {
			if _, err := ofKind.GetInformer(ctx, metadata.New(target.TypeOf(kind).GVK)); err != nil {
				return err
			}
		}
	}
	for _, adapter := range served {
		if _, err := objects.GetInformer(ctx, adapter.New()); err != nil {
			return err
		}
		index := bundlecontroller.IndexSources(adapter)
		if err := objects.IndexField(ctx, adapter.New(), bundlecontroller.SourceIndex, index); err != nil {
			return err
		}
	}
	return nil
}
