package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes/scheme"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"

	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/controller/definition"
)

// leaseLost is the text of the error that the manager returns when it loses the Lease. The
// error has no type.
const leaseLost = "leader election lost"

const (
	// probePeriod is how often it is checked whether the API server answers again.
	probePeriod = time.Second
	// probesPerLog is how many probes fail before that is logged.
	probesPerLog = 30
	// startTime is how long a manager may have run that could not start, and maxStarts how
	// many of them may follow each other. An API server that starts refuses, for example,
	// requests whose permission it has not yet loaded.
	startTime = 30 * time.Second
	maxStarts = 30
)

// newIdentity returns an identity for the leader election that no other process has.
func newIdentity() (string, error) {
	host, err := os.Hostname()
	return host + "_" + string(uuid.NewUUID()), err
}

// lease returns the Lease of the leader election for one manager. All managers of a process
// have the same identity: a process that has lost the Lease because the API server could not
// be reached takes it again at once, unless another replica was faster (R6).
func (o *options) lease(config *rest.Config, identity string) (lock resourcelock.Interface, stop func(), err error) {
	config = rest.AddUserAgent(rest.CopyConfig(config), "leader-election")
	// One hung request must not lose the Lease.
	config.Timeout = max(time.Second, o.renewDeadline/2)
	core, err := coreclient.NewForConfig(config)
	if err != nil {
		return nil, nil, err
	}
	coordination, err := coordinationclient.NewForConfig(config)
	if err != nil {
		return nil, nil, err
	}
	namespace := o.ownNamespace(podNamespaceFile)
	// A broadcaster counts equal events by a patch, which the chart does not allow. A new one
	// creates another event.
	events := record.NewBroadcaster()
	events.StartRecordingToSink(&coreclient.EventSinkImpl{Interface: core.Events(namespace)})
	lock, err = resourcelock.New(resourcelock.LeasesResourceLock, namespace, leaseName, core, coordination, resourcelock.ResourceLockConfig{
		Identity:      identity,
		EventRecorder: events.NewRecorder(scheme.Scheme, corev1.EventSource{Component: identity}),
	})
	return lock, events.Shutdown, err
}

// runUntilStopped runs managers one after another until ctx is canceled: one that loses the
// Lease stops, and the next one starts as soon as the API server answers. The process
// continues, so that an API server that is away for long does not end in a loop of restarts
// whose delay grows (R6). If the next manager cannot start, that is tried again for a while.
// Any other error is returned, unless the API server is away again.
func runUntilStopped(ctx context.Context, logger logr.Logger, clock clock.PassiveClock, answers func(context.Context) error, run func(context.Context) error) error {
	first, failures := true, 0
	for {
		began := clock.Now()
		err := run(ctx)
		switch {
		case err == nil || ctx.Err() != nil:
			return err
		case err.Error() == leaseLost:
			first, failures = false, 0
			logger.Info("The Lease is lost: this replica stops acting, and starts again when the API server answers")
		case errors.Is(err, definition.ErrServedChanged):
			first, failures = false, 0
			logger.Info("The API server serves other kinds of Bundles than before: this replica starts again with them")
		case !first && clock.Since(began) < startTime && failures < maxStarts:
			failures++
			logger.Error(err, "This replica cannot start yet, and tries again")
		case first || answers(ctx) == nil:
			return err
		default:
			failures = 0
			logger.Error(err, "This replica has stopped, and starts again when the API server answers")
		}
		if !awaitAnswer(ctx, logger, answers) {
			return nil
		}
	}
}

// awaitAnswer waits until the API server answers. It returns false if ctx is canceled before.
func awaitAnswer(ctx context.Context, logger logr.Logger, answers func(context.Context) error) bool {
	for probes := 1; ; probes++ {
		// A manager does not wait for its servers: their ports are free after a moment.
		select {
		case <-ctx.Done():
			return false
		case <-time.After(probePeriod):
		}
		err := answers(ctx)
		if err == nil {
			return true
		}
		if probes%probesPerLog == 0 {
			logger.Error(err, "The API server does not answer yet")
		}
	}
}

// answering returns a function that returns nil if the API server is ready and answers what
// a manager asks first: which kinds it serves. While it starts, it refuses that until it has
// loaded the roles, and may not answer at all.
func answering(config *rest.Config, served apis.Adapters) (func(context.Context) error, error) {
	paths := []string{"/api"}
	for _, adapter := range served {
		paths = append(paths, "/apis/"+adapter.GroupVersionKind().GroupVersion().String())
	}
	config = rest.CopyConfig(config)
	config.Timeout = probePeriod
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		if err := client.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error(); err != nil && !apierrors.IsForbidden(err) {
			return err
		}
		for _, path := range paths {
			if err := client.RESTClient().Get().AbsPath(path).Do(ctx).Error(); err != nil {
				return fmt.Errorf("GET %s: %w", path, err)
			}
		}
		return nil
	}, nil
}

// registrations registers metrics, and removes them together. A manager that starts in the
// same process registers its own.
type registrations struct {
	prometheus.Registerer
	collectors []prometheus.Collector
}

// Register implements prometheus.Registerer.
func (r *registrations) Register(collector prometheus.Collector) error {
	if err := r.Registerer.Register(collector); err != nil {
		return err
	}
	r.collectors = append(r.collectors, collector)
	return nil
}

// remove removes all metrics that were registered.
func (r *registrations) remove() {
	for _, collector := range r.collectors {
		r.Unregister(collector)
	}
}
