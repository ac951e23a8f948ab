package controller

import (
	"context"
	"fmt"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
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
	"trust-manager.io/internal/controller/metadata"
	"trust-manager.io/internal/controller/status"
	targetcontroller "trust-manager.io/internal/controller/target"
	"trust-manager.io/internal/ledger"
	"trust-manager.io/internal/metrics"
	"trust-manager.io/internal/revision"
	"trust-manager.io/internal/rotation/store"
	"trust-manager.io/internal/source"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/target/writer"
	"trust-manager.io/internal/workqueue"
)

// Options are what an administrator sets.
type Options struct {
	// TrustNamespace is the one namespace in which sources are read.
	TrustNamespace string
	// TargetNamespaces are the only namespaces that get targets, and the only ones
	// in which ConfigMaps and Secrets are watched; none means all.
	TargetNamespaces []string
	// SecretTargets enables Secret targets.
	SecretTargets bool
	// SecretsByName states that the operator may create Secrets by their names only.
	SecretsByName bool
	// Filter is what is filtered unless a Bundle says otherwise.
	Filter bundle.Filter
	// Concurrency is how many targets are worked on at the same time.
	Concurrency int
	// DefaultCAs is the default CA package.
	DefaultCAs *source.DefaultCAs
	// Clock is the time for the expiry of certificates and for measurements.
	Clock clock.PassiveClock
	// Metrics is where the operator's metrics are registered.
	Metrics prometheus.Registerer
}

// Add adds the controllers to a manager, which must have been created with CacheOptions.
// They start when the manager does and, if it elects a leader, has been elected.
func Add(ctx context.Context, mgr manager.Manager, options Options) error {
	scope, err := newScope(ctx, mgr, options)
	if err != nil {
		return err
	}
	targets, err := newTargetCache(mgr, apis.Bundle{}.Marks(), scope)
	if err != nil {
		return err
	}
	if err := prepareCaches(ctx, mgr.GetCache(), targets, scope.Kinds); err != nil {
		return fmt.Errorf("preparing the caches: %w", err)
	}
	shared := &shared{
		apis:      apis.All(),
		scope:     scope,
		targets:   targets,
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
	if err := addTargets(mgr, shared, options); err != nil {
		return err
	}
	statuses := status.New(status.Config{
		APIs: shared.apis, Bundles: mgr.GetCache(), Client: mgr.GetClient(), Events: mgr.GetEventRecorder(target.FieldManager),
		Ledger: shared.ledger, Queue: shared.queues.statuses, Clock: options.Clock,
	})
	if err := statuses.Register(mgr); err != nil {
		return err
	}
	return mgr.Add(watchDefaultCAs(bundles, options.DefaultCAs, mgr.GetLogger()))
}

// shared are the values that more than one controller is given.
type shared struct {
	apis      apis.Adapters
	scope     target.Scope
	targets   cache.Cache
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
			Sources: source.NewGatherer(mgr.GetCache(), options.TrustNamespace, options.DefaultCAs),
			Filter:  options.Filter,
			Scope:   shared.scope,
			Clock:   options.Clock,
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

func addTargets(mgr manager.Manager, shared *shared, options Options) error {
	targetWriter, err := writer.New(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return err
	}
	return targetcontroller.New(targetcontroller.Config{
		APIs:          shared.apis,
		Objects:       mgr.GetCache(),
		Targets:       shared.targets,
		Live:          mgr.GetAPIReader(),
		Writer:        targetWriter,
		CreateByApply: options.SecretsByName,
		Scope:         shared.scope,
		Revisions:     shared.revisions,
		Ledger:        shared.ledger,
		Queue:         shared.queues.targets,
		Pool:          shared.pool,
		Statuses:      shared.queues.statuses,
		Clock:         options.Clock,
		Metrics:       shared.metrics,
	}).Register(mgr, options.Concurrency, shared.targets)
}

// newScope returns the kinds and namespaces of targets. Namespaces that the operator may
// not watch are left out, until it may.
func newScope(ctx context.Context, mgr manager.Manager, options Options) (target.Scope, error) {
	kinds := []bundle.Kind{bundle.ConfigMap}
	if options.SecretTargets {
		kinds = append(kinds, bundle.Secret)
	}
	namespaces, forbidden := splitByPermission(ctx, mgr.GetAPIReader(), options.TargetNamespaces, kinds)
	scope := target.NewScope(kinds, namespaces)
	if len(forbidden) == 0 {
		return scope, nil
	}
	if len(namespaces) == 0 {
		return scope, fmt.Errorf("--target-namespaces: the operator may not list %s in any of %s", kinds, forbidden)
	}
	return scope, mgr.Add(restartWhenPermitted(mgr.GetAPIReader(), forbidden, kinds, mgr.GetLogger()))
}

// watchDefaultCAs rebuilds the Bundles that use the default CA package when its file
// changes. A replica that does not lead watches the file too: it would start with an old
// package otherwise.
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

// CacheOptions returns what the manager's cache holds: Bundles, the ConfigMaps and Secrets
// of the trust namespace whole, and Namespaces as metadata. Readers get the cached objects
// themselves, and must not change them.
func CacheOptions(trustNamespace string) cache.Options {
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
			Transform:             stripNamespace,
		},
	}
	for _, adapter := range apis.All() {
		byObject[adapter.New()] = cache.ByObject{UnsafeDisableDeepCopy: &shared}
	}
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		NewInformer:      newInformer(stripNamespace),
		ByObject:         byObject,
	}
}

// RESTConfig returns the configuration for all clients of the operator. The API server's
// priority and fairness limits requests, so the client does not; and compressed answers
// cost more than they save within a cluster.
func RESTConfig(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.QPS = -1
	config.DisableCompression = true
	return config
}

// prepareCaches registers every informer and index before the caches start, so that a
// complete cache is complete for all queues.
func prepareCaches(ctx context.Context, objects, targets cache.Cache, kinds []bundle.Kind) error {
	for _, object := range []client.Object{&corev1.ConfigMap{}, &corev1.Secret{}, metadata.New(metadata.Namespace)} {
		if _, err := objects.GetInformer(ctx, object); err != nil {
			return err
		}
	}
	for _, kind := range kinds {
		if _, err := targets.GetInformer(ctx, metadata.New(target.TypeOf(kind).GVK)); err != nil {
			return err
		}
	}
	for _, adapter := range apis.All() {
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
