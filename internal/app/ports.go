package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"trust-manager.io/internal/server"
)

const (
	// maxProbeConnections and maxMetricsConnections bound the open connections of the
	// two ports, far above what kubelets and Prometheus need.
	maxProbeConnections, maxMetricsConnections = 64, 64
	// maxScrapes bounds the concurrent responses with metrics: each needs memory in
	// proportion to the number of Bundles.
	maxScrapes = 4
	// portShutdownTimeout bounds how long the shutdown waits for open requests.
	portShutdownTimeout = time.Second
)

// readiness contains the readiness checks of the operator by name.
type readiness map[string]healthz.Checker

// unavailable returns the readiness while no manager runs.
func unavailable() readiness {
	return readiness{"manager": func(*http.Request) error { return errors.New("the operator waits for the API server") }}
}

// probes answers the probes by the readiness of the manager that runs now.
type probes struct {
	path    string
	current atomic.Pointer[http.Handler]
}

func newProbes(path string) *probes {
	p := &probes{path: path}
	p.set(unavailable())
	return p
}

// set sets the readiness from now on.
func (p *probes) set(ready readiness) {
	handler := ready.handler(p.path)
	p.current.Store(&handler)
}

// ServeHTTP implements [http.Handler].
func (p *probes) ServeHTTP(response http.ResponseWriter, request *http.Request) {
	(*p.current.Load()).ServeHTTP(response, request)
}

// livenessPath is the path that answers as long as the process does (R1).
const livenessPath = "/healthz"

func (r readiness) handler(path string) http.Handler {
	checks := http.StripPrefix(path, &healthz.Handler{Checks: r})
	mux := http.NewServeMux()
	mux.Handle(path, checks)
	mux.Handle(path+"/", checks) // a single check by its name
	if path != livenessPath {
		mux.Handle(livenessPath, http.StripPrefix(livenessPath, &healthz.Handler{}))
	}
	return mux
}

// caches adds the check that the caches have synced, on every replica, and sets synced
// when they have.
func (r readiness) caches(mgr manager.Manager, synced *atomic.Bool) error {
	r["caches"] = func(*http.Request) error {
		if !synced.Load() {
			return errors.New("the caches have not synced yet")
		}
		return nil
	}
	return mgr.Add(afterCaches(func(ctx context.Context) error {
		synced.Store(true)
		<-ctx.Done()
		return nil
	}))
}

// openPorts opens the ports of probes and metrics (C5). They answer from the start until
// closePorts is called, before the caches have synced and while no manager runs.
func (o *options) openPorts(ctx context.Context, probes *probes) (closePorts func(), err error) {
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(metrics.Registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.HTTPErrorOnError, MaxRequestsInFlight: maxScrapes,
	}))
	closeProbes, err := openPort(ctx, "readiness-probe-port", o.readinessPort, server.New(server.Bodiless(probes), maxProbeConnections))
	if err != nil {
		return nil, err
	}
	closeMetrics, err := openPort(ctx, "metrics-port", o.metricsPort, server.New(server.Bodiless(mux), maxMetricsConnections))
	if err != nil {
		closeProbes()
		return nil, err
	}
	return func() {
		closeProbes()
		closeMetrics()
	}, nil
}

// openPort serves on the port of a flag, unless the port is 0. A port in use is an error. To
// close it waits for open requests, for a short time.
func openPort(ctx context.Context, flag string, port int, httpServer *http.Server) (closePort func(), err error) {
	if port == 0 {
		return func() {}, nil
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", flag, err)
	}
	go func() {
		if err := httpServer.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			ctrl.Log.Error(err, "A port is no longer served", "flag", flag)
		}
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), portShutdownTimeout)
		defer cancel()
		if httpServer.Shutdown(ctx) != nil {
			_ = httpServer.Close()
		}
	}, nil
}

// afterCaches is a runnable that every replica starts once the manager's caches have
// synced.
type afterCaches func(ctx context.Context) error

// Start implements manager.Runnable.
func (f afterCaches) Start(ctx context.Context) error { return f(ctx) }

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (f afterCaches) NeedLeaderElection() bool { return false }
