// Package app is the operator's command line: flags, logging, the connection to
// the API server, leader election, health and metrics.
//
// What always holds: a bad flag or a default CA package that cannot be used
// stops the start with an error that names it; a stop by its context lets
// writes end, releases the lease and gives no error.
//
// It does nothing of the operator's work: that is package controller.
package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/controller"
	"trust-manager.io/internal/source"
)

const (
	// leaseName is the name of the Lease that replicas compete for (R2).
	leaseName = "trust-manager-leader-election"
	// stopDeadline bounds a stop: writes that are under way end within their
	// own deadline of 10 s.
	stopDeadline = 15 * time.Second
	// podNamespaceFile tells a pod its own namespace.
	podNamespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
)

// noPort has the manager serve nothing.
const noPort = "0"

// version is set by the linker.
var version = "unknown"

// Command gives the command line of the operator. The clock says whether
// certificates have expired: those of sources and the webhook's own.
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
	o.register(command.Flags())
	return command
}

// run runs the operator until the context ends.
func (o *options) run(ctx context.Context) error {
	ctrl.SetLogger(o.logger(os.Stderr))
	defaultCAs, err := source.LoadDefaultCAs(o.defaultPackage)
	if err != nil {
		return fmt.Errorf("--default-package-location: %w", err)
	}
	config, err := o.restConfig()
	if err != nil {
		return err
	}
	mgr, err := o.manager(config)
	if err != nil {
		return err
	}
	var complete atomic.Bool
	ready := readiness{}
	if err := ready.caches(mgr, &complete); err != nil {
		return err
	}
	if err := o.addWebhook(mgr, defaultCAs, ready); err != nil {
		return err
	}
	if err := errors.Join(ready.add(ctx, mgr, o.readinessPort, o.readinessPath), addMetrics(ctx, mgr, o.metricsPort)); err != nil {
		return err
	}
	err = controller.Add(ctx, mgr, controller.Options{
		TrustNamespace:   o.trustNamespace,
		TargetNamespaces: o.targetNamespaces,
		SecretTargets:    o.secretTargets,
		SecretsByName:    o.secretsByName,
		Filter:           o.filter(),
		Concurrency:      o.concurrency,
		DefaultCAs:       defaultCAs,
		Clock:            o.clock,
		Metrics:          metrics.Registry,
	})
	if err != nil {
		return err
	}
	mgr.GetLogger().Info("Starting", "version", version, "trustNamespace", o.trustNamespace, "defaultCAVersion", defaultCAs.ID())
	return untilStopped(ctx, mgr.Start, &complete)
}

// untilStopped runs the manager until it ends. A stop before the caches are complete
// is not waited for: nothing is under way then and no lease is held, and the
// library does not return from waiting for caches that cannot be filled (R4).
func untilStopped(ctx context.Context, start func(context.Context) error, complete *atomic.Bool) error {
	ended := make(chan error, 1)
	go func() { ended <- start(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	if !complete.Load() {
		return nil
	}
	return <-ended
}

// filter says what is left out of bundles whose Bundle does not say.
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

// restConfig gives the configuration of all clients.
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

func (o *options) manager(config *rest.Config) (manager.Manager, error) {
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, err
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	stop, retry := stopDeadline, retryPeriod
	return ctrl.NewManager(config, manager.Options{
		Scheme: scheme,
		Cache:  controller.CacheOptions(o.trustNamespace),
		// The servers of the ports are in ports.go.
		Metrics:                       metricsserver.Options{BindAddress: noPort},
		HealthProbeBindAddress:        noPort,
		GracefulShutdownTimeout:       &stop,
		LeaderElection:                o.leaderElect,
		LeaderElectionID:              leaseName,
		LeaderElectionNamespace:       o.ownNamespace(podNamespaceFile),
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 &o.leaseDuration,
		RenewDeadline:                 &o.renewDeadline,
		RetryPeriod:                   &retry,
	})
}

// ownNamespace is where the operator keeps what is its own, the Lease and the
// webhook's Secret: the namespace of the pod whose service account is used, and
// otherwise the trust namespace.
func (o *options) ownNamespace(podNamespaceFile string) string {
	if o.kubeconfig == "" {
		if namespace, err := os.ReadFile(podNamespaceFile); err == nil && len(namespace) > 0 {
			return strings.TrimSpace(string(namespace))
		}
	}
	return o.trustNamespace
}
