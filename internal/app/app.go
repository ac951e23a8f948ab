package app

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/controller"
	"trust-manager.io/internal/controller/definition"
	"trust-manager.io/internal/source"
)

const (
	// leaseName is the name of the leader election Lease (R2).
	leaseName = "trust-manager-leader-election"
	// shutdownTimeout bounds the graceful shutdown. It exceeds the deadline of a
	// write, 10 s.
	shutdownTimeout = 15 * time.Second
	// podNamespaceFile contains the namespace of the operator's pod.
	podNamespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
)

// gcPercent is the growth of the heap, in percent, that starts a garbage collection. During a
// rollout the operator waits for the API server most of the time, so it can collect more often
// than by default, and peaks at less memory.
const gcPercent = 50

// disabledAddress is the bind address that disables a server of the manager.
const disabledAddress = "0"

// version is set at link time.
var version = "unknown"

// Command returns the operator's command. The clock determines whether certificates
// have expired, both those of the sources and the webhook's own.
func Command(clock clock.Clock) *cobra.Command {
	o := options{clock: clock}
	command := &cobra.Command{
		Use:           "trust-manager",
		Short:         "Distribute trust bundles of CA certificates to the namespaces of a cluster",
		Version:       version,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(command *cobra.Command, _ []string) error {
			o.certificateDirGiven = command.Flags().Changed(certificateDirFlag)
			if err := o.validate(); err != nil {
				return err
			}
			return o.run(command.Context())
		},
	}
	o.register(command)
	return command
}

// run runs the operator until ctx is canceled.
func (o *options) run(ctx context.Context) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctrl.SetLogger(o.logger(os.Stderr))
	defaultCAs, err := source.LoadDefaultCAs(o.defaultPackage)
	if err != nil {
		return fmt.Errorf("--default-package-location: %w", err)
	}
	config, err := o.restConfig()
	if err != nil {
		return err
	}
	identity, err := newIdentity()
	if err != nil {
		return err
	}
	answers, err := answering(config, apis.Adapters{apis.Bundle{}})
	if err != nil {
		return err
	}
	probes := newProbes(o.readinessPath)
	closePorts, err := o.openPorts(ctx, probes)
	if err != nil {
		return err
	}
	defer closePorts()
	return runUntilStopped(ctx, ctrl.Log, o.clock, answers, func(ctx context.Context) error {
		defer probes.set(unavailable())
		return o.runOnce(ctx, config, identity, defaultCAs, probes)
	})
}

// runOnce runs one manager until ctx is canceled, or until it loses the Lease.
func (o *options) runOnce(ctx context.Context, config *rest.Config, identity string, defaultCAs *source.DefaultCAs, probes *probes) error {
	lock, stop, err := o.lease(config, identity)
	if err != nil {
		return err
	}
	defer stop()
	served, kinds, err := servedKinds(ctx, config)
	if err != nil {
		return err
	}
	mgr, err := o.manager(config, lock, served)
	if err != nil {
		return err
	}
	var synced atomic.Bool
	ready := readiness{}
	if err := ready.caches(mgr, &synced); err != nil {
		return err
	}
	if err := o.addWebhook(mgr, defaultCAs, ready); err != nil {
		return err
	}
	trustBundles, err := source.AllowTrustBundles(o.trustBundleSources)
	if err != nil {
		return err
	}
	probes.set(ready)
	registered := &registrations{Registerer: metrics.Registry}
	defer registered.remove()
	err = controller.Add(ctx, mgr, controller.Options{
		APIs:               served,
		Kinds:              kinds,
		TrustNamespace:     o.trustNamespace,
		TargetNamespaces:   o.targetNamespaces,
		SecretTargets:      o.secretTargets,
		SecretsByName:      o.secretsByName,
		TrustBundleTargets: o.trustBundles,
		TrustBundleSources: trustBundles,
		Filter:             o.filter(),
		Concurrency:        o.concurrency,
		DefaultCAs:         defaultCAs,
		Clock:              o.clock,
		Metrics:            registered,
	})
	if err != nil {
		return err
	}
	mgr.GetLogger().Info("Starting", "version", version, "trustNamespace", o.trustNamespace, "defaultCAVersion", defaultCAs.ID())
	return runManager(ctx, mgr.Start, &synced)
}

// servedKinds returns the API kinds that are served, and what notices when others are.
func servedKinds(ctx context.Context, config *rest.Config) (apis.Adapters, *definition.Served, error) {
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, nil, err
	}
	kinds, err := definition.NewServed(apis.All(), config, client)
	if err != nil {
		return nil, nil, err
	}
	served, err := kinds.Find(ctx)
	return served, kinds, err
}

// runManager runs the manager until it returns. If ctx is canceled before the caches
// have synced, it returns immediately: no write is in progress and no Lease is held,
// and controller-runtime does not return while it waits for caches that cannot sync
// (R4).
func runManager(ctx context.Context, start func(context.Context) error, synced *atomic.Bool) error {
	done := make(chan error, 1)
	go func() { done <- start(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	if !synced.Load() {
		return nil
	}
	return <-done
}

// filter returns the filter for Bundles that do not set spec.filters.
func (o *options) filter() bundle.Filter {
	filter := bundle.Filter{Expired: bundle.Keep, NonCA: bundle.Keep}
	if o.filterExpired {
		filter.Expired = bundle.Drop
	}
	if o.filterNonCA {
		filter.NonCA = bundle.Drop
	}
	return filter
}

// restConfig returns the configuration of all clients.
func (o *options) restConfig() (*rest.Config, error) {
	config, err := clientConfig(o.kubeconfig)
	if err != nil {
		return nil, err
	}
	config = controller.RESTConfig(config)
	config.UserAgent = rest.DefaultKubernetesUserAgent()
	return config, nil
}

func clientConfig(kubeconfig string) (*rest.Config, error) {
	if kubeconfig == "" {
		config, err := rest.InClusterConfig()
		if err != nil {
			return nil, fmt.Errorf("--kubeconfig is not set, and the pod's service account cannot be used: %w", err)
		}
		return config, nil
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("--kubeconfig: %w", err)
	}
	return config, nil
}

func (o *options) manager(config *rest.Config, lock resourcelock.Interface, served apis.Adapters) (manager.Manager, error) {
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, err
	}
	if err := apis.AddToScheme(scheme); err != nil {
		return nil, err
	}
	shutdown, retry := shutdownTimeout, retryPeriod
	return ctrl.NewManager(config, manager.Options{
		Scheme: scheme,
		Cache:  controller.CacheOptions(o.trustNamespace, served),
		// ports.go serves metrics and probes instead.
		Metrics:                             metricsserver.Options{BindAddress: disabledAddress},
		HealthProbeBindAddress:              disabledAddress,
		GracefulShutdownTimeout:             &shutdown,
		LeaderElection:                      o.leaderElect,
		LeaderElectionResourceLockInterface: lock,
		LeaderElectionReleaseOnCancel:       true,
		LeaseDuration:                       &o.leaseDuration,
		RenewDeadline:                       &o.renewDeadline,
		RetryPeriod:                         &retry,
	})
}

// ownNamespace returns the namespace of the operator's own objects, the Lease and
// the webhook's Secret: the namespace of the pod if the operator uses the pod's
// service account, and otherwise the trust namespace.
func (o *options) ownNamespace(podNamespaceFile string) string {
	if o.kubeconfig == "" {
		if namespace, err := os.ReadFile(podNamespaceFile); err == nil && len(namespace) > 0 {
			return strings.TrimSpace(string(namespace))
		}
	}
	return o.trustNamespace
}
