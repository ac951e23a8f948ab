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

// add registers the server of the probes with the manager. It answers from
// the start, before the caches have synced.
func (r readiness) add(ctx context.Context, mgr manager.Manager, port int, path string) error {
	return addPort(ctx, mgr, "readiness-probe-port", port, server.New(server.Bodiless(r.handler(path)), maxProbeConnections))
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

// addMetrics registers the server of the Prometheus metrics with the manager (C5).
func addMetrics(ctx context.Context, mgr manager.Manager, port int) error {
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(metrics.Registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.HTTPErrorOnError, MaxRequestsInFlight: maxScrapes,
	}))
	return addPort(ctx, mgr, "metrics-port", port, server.New(server.Bodiless(mux), maxMetricsConnections))
}

// addPort registers a server on the port of a flag with the manager, unless the port is
// 0. It listens immediately, so that a port in use fails the start.
func addPort(ctx context.Context, mgr manager.Manager, flag string, port int, httpServer *http.Server) error {
	if port == 0 {
		return nil
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		return fmt.Errorf("--%s: %w", flag, err)
	}
	timeout := portShutdownTimeout
	return mgr.Add(&manager.Server{Name: flag, Server: httpServer, Listener: listener, ShutdownTimeout: &timeout})
}

// afterCaches is a runnable that every replica starts once the manager's caches have
// synced.
type afterCaches func(ctx context.Context) error

// Start implements manager.Runnable.
func (f afterCaches) Start(ctx context.Context) error { return f(ctx) }

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (f afterCaches) NeedLeaderElection() bool { return false }
