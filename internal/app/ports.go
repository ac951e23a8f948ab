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
	// mostProbes and mostScrapes are how many connections the ports of readiness and
	// metrics have at a time: many times what kubelets and Prometheus need.
	mostProbes, mostScrapes = 64, 64
	// atOnce is how many answers with metrics are made at the same time: each takes
	// memory in proportion to the number of Bundles.
	atOnce = 4
	// portStop bounds how long the end of the operator waits for those who ask.
	portStop = time.Second
)

// readiness is what has to be so for the operator to be ready, by name.
type readiness map[string]healthz.Checker

// add has the manager answer the readiness probe from its start on, before the
// caches are complete.
func (r readiness) add(ctx context.Context, mgr manager.Manager, port int, path string) error {
	return addPort(ctx, mgr, "readiness-probe-port", port, server.New(server.Bodiless(r.handler(path)), mostProbes))
}

func (r readiness) handler(path string) http.Handler {
	checks := http.StripPrefix(path, &healthz.Handler{Checks: r})
	mux := http.NewServeMux()
	mux.Handle(path, checks)
	mux.Handle(path+"/", checks) // for one check by its name
	return mux
}

// caches makes the operator ready only once the caches are complete, leader or not,
// and sets complete then.
func (r readiness) caches(mgr manager.Manager, complete *atomic.Bool) error {
	r["caches"] = func(*http.Request) error {
		if !complete.Load() {
			return errors.New("the caches are not complete yet")
		}
		return nil
	}
	return mgr.Add(afterCaches(func(ctx context.Context) error {
		complete.Store(true)
		<-ctx.Done()
		return nil
	}))
}

// addMetrics has the manager serve Prometheus metrics (C5).
func addMetrics(ctx context.Context, mgr manager.Manager, port int) error {
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(metrics.Registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.HTTPErrorOnError, MaxRequestsInFlight: atOnce,
	}))
	return addPort(ctx, mgr, "metrics-port", port, server.New(server.Bodiless(mux), mostScrapes))
}

// addPort has the manager serve on the port of a flag; 0 is none. A port that is
// taken is found out at once.
func addPort(ctx context.Context, mgr manager.Manager, flag string, port int, served *http.Server) error {
	if port == 0 {
		return nil
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		return fmt.Errorf("--%s: %w", flag, err)
	}
	stop := portStop
	return mgr.Add(&manager.Server{Name: flag, Server: served, Listener: listener, ShutdownTimeout: &stop})
}

// afterCaches is run once the manager's caches are complete, by every replica.
type afterCaches func(ctx context.Context) error

// Start implements manager.Runnable.
func (f afterCaches) Start(ctx context.Context) error { return f(ctx) }

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (f afterCaches) NeedLeaderElection() bool { return false }
