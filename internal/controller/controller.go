// Package controller watches the cluster and drives two queues: one of bundles,
// which makes a revision of each, and one of targets, which brings a single
// object in line with it.
//
// What always holds: nothing is done to the targets of a bundle that has no
// revision in this process, and nothing at all to those of a Bundle that is
// being deleted; an event about a target costs one decision, an event about a
// namespace one for each bundle; no event handler panics or ends the process;
// both queues start only when all caches are complete.
//
// It decides when something happens. What a bundle is made of, what a target
// should look like and what the status says is decided in the pure packages
// beneath.
package controller

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/ledger"
	"trust-manager.io/internal/source"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/workqueue"
)

// writeDeadline bounds each request about a target. It is as long as the API
// server's own default for an admission webhook.
const writeDeadline = 10 * time.Second

// Options are what an administrator sets.
type Options struct {
	// TrustNamespace is the one namespace in which sources are read.
	TrustNamespace string
	// TargetNamespaces are the only namespaces that get targets, and the only ones
	// in which ConfigMaps and Secrets are watched; none means all.
	TargetNamespaces []string
	// SecretTargets says whether Bundles may ask for Secrets.
	SecretTargets bool
	// SecretsByName says that Secrets may be created by their names only, as far as
	// the administrator knows.
	SecretsByName bool
	// Filter says which certificates are left out where a Bundle does not say.
	Filter bundle.Filter
	// Concurrency is how many targets are worked on at the same time.
	Concurrency int
	// DefaultCAs is the default CA package.
	DefaultCAs *source.DefaultCAs
	// Clock says whether certificates have expired, and measures how long things take.
	Clock clock.PassiveClock
	// Metrics is where the operator's metrics are registered.
	Metrics prometheus.Registerer
}

// environment is what the queues share.
type environment struct {
	// objects reads from the caches, live from the API server.
	objects client.Reader
	live    client.Reader
	clock   clock.PassiveClock
	// kinds are the kinds of targets that Bundles may ask for.
	kinds []bundle.Kind
	// reach has the namespaces that may get targets; nil stands for all.
	reach    map[string]bool
	registry *registry
	ledger   *ledger.Ledger
	bundles  *workqueue.Queue[string]
	targets  *workqueue.Queue[target.Key]
	statuses *workqueue.Queue[string]
	pool     *workqueue.Pool[target.Key, string]
	metrics  *metrics
}

// Add puts the controllers under a manager, which must have been made with
// CacheOptions. They start when the manager does and, where it elects a leader,
// has been elected.
func Add(ctx context.Context, mgr manager.Manager, options Options) error {
	kinds := []bundle.Kind{bundle.ConfigMap}
	if options.SecretTargets {
		kinds = append(kinds, bundle.Secret)
	}
	namespaces, forbidden := watchable(ctx, mgr.GetAPIReader(), options.TargetNamespaces, kinds)
	if len(forbidden) > 0 {
		if len(namespaces) == 0 {
			return fmt.Errorf("--target-namespaces: the operator has no right to list %s in any of %s", kinds, forbidden)
		}
		if err := mgr.Add(awaitRights(mgr.GetAPIReader(), forbidden, kinds, mgr.GetLogger())); err != nil {
			return err
		}
	}
	observed, err := newTargetCache(mgr, kinds, namespaces)
	if err != nil {
		return err
	}
	if err := prepare(ctx, mgr.GetCache(), observed, kinds); err != nil {
		return fmt.Errorf("preparing the caches: %w", err)
	}
	env := &environment{
		objects:  mgr.GetCache(),
		live:     mgr.GetAPIReader(),
		clock:    options.Clock,
		kinds:    kinds,
		reach:    reachOf(namespaces),
		registry: newRegistry(),
		ledger:   ledger.New(),
		bundles:  workqueue.New[string]("bundle"),
		targets:  workqueue.New[target.Key]("target"),
		statuses: workqueue.New[string]("status"),
	}
	if env.metrics, err = newMetrics(options.Metrics, env.ledger, env.clock); err != nil {
		return fmt.Errorf("registering the metrics: %w", err)
	}
	env.pool = newPool(options.Concurrency, env.targets, env.clock)
	if err := addBundles(mgr, env, observed, options); err != nil {
		return err
	}
	if err := addTargets(mgr, env, observed, options); err != nil {
		return err
	}
	if err := addStatuses(mgr, env); err != nil {
		return err
	}
	return mgr.Add(watchDefaultCAs(env, options.DefaultCAs, mgr.GetLogger()))
}

// CacheOptions gives what the manager's cache holds: Bundles, the ConfigMaps
// and Secrets of the trust namespace whole, and Namespaces as metadata.
// Readers get the cached objects themselves, so nobody may change them.
func CacheOptions(trustNamespace string) cache.Options {
	shared := true
	sources := cache.ByObject{
		Namespaces:            map[string]cache.Config{trustNamespace: {}},
		UnsafeDisableDeepCopy: &shared,
	}
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		NewInformer:      newInformer(stripNamespace),
		ByObject: map[client.Object]cache.ByObject{
			&v1alpha1.Bundle{}:  {UnsafeDisableDeepCopy: &shared},
			&corev1.ConfigMap{}: sources,
			&corev1.Secret{}:    sources,
			metadataOf(namespaceKind): {
				UnsafeDisableDeepCopy: &shared,
				Transform:             stripNamespace,
			},
		},
	}
}

// RESTConfig gives the configuration for all clients of the operator. The API
// server's own priority and fairness limits requests, so the client does not;
// and compressing the answers costs more than it saves within a cluster.
func RESTConfig(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.QPS = -1
	config.DisableCompression = true
	return config
}

// prepare registers every informer and index before the caches start, so that
// a complete cache is complete for all queues.
func prepare(ctx context.Context, objects, observed cache.Cache, kinds []bundle.Kind) error {
	for _, object := range []client.Object{
		&v1alpha1.Bundle{}, &corev1.ConfigMap{}, &corev1.Secret{}, metadataOf(namespaceKind),
	} {
		if _, err := objects.GetInformer(ctx, object); err != nil {
			return err
		}
	}
	for _, kind := range kinds {
		if _, err := observed.GetInformer(ctx, metadataOf(targetKind(kind))); err != nil {
			return err
		}
	}
	return objects.IndexField(ctx, &v1alpha1.Bundle{}, sourceIndex, sourcesOf)
}

// reachOf gives the namespaces as a set, and nil for none, which stands for all.
func reachOf(namespaces []string) map[string]bool {
	if len(namespaces) == 0 {
		return nil
	}
	reach := make(map[string]bool, len(namespaces))
	for _, namespace := range namespaces {
		reach[namespace] = true
	}
	return reach
}

// reaches says whether targets in a namespace are the operator's to write (T14).
func (e *environment) reaches(namespace string) bool { return e.reach == nil || e.reach[namespace] }

// namespaces lists the namespaces that a revision selects, that the operator may
// write to, and that are not going away.
func (e *environment) namespaces(ctx context.Context, revision *target.Revision) ([]string, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(namespaceKind)
	if err := e.objects.List(ctx, list, client.MatchingLabelsSelector{Selector: revision.Namespaces}); err != nil {
		return nil, err
	}
	var names []string
	for i := range list.Items {
		if list.Items[i].DeletionTimestamp == nil && e.reaches(list.Items[i].Name) {
			names = append(names, list.Items[i].Name)
		}
	}
	return names, nil
}

// newPool returns the pool of targets. Those of one namespace hang together.
func newPool(workers int, queue *workqueue.Queue[target.Key], clock clock.PassiveClock) *workqueue.Pool[target.Key, string] {
	return workqueue.NewPool(queue, workqueue.Options[target.Key, string]{
		Workers: workers, Group: func(key target.Key) string { return key.Namespace }, Deadline: writeDeadline, Clock: clock,
	})
}

func place(key target.Key) ledger.Place {
	return ledger.Place{Kind: key.Kind, Namespace: key.Namespace}
}
