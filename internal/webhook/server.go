package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"trust-manager.io/internal/server"
)

// Certificate is the serving certificate of the webhook. It may change while it is in
// use.
type Certificate interface {
	// Start maintains the certificate until ctx is canceled. It closes the channel as soon
	// as a certificate can be served.
	Start(ctx context.Context) (ready <-chan struct{})
	// GetCertificate implements GetCertificate of [tls.Config].
	GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error)
}

// Options configure a [Server].
type Options struct {
	// Host and Port are the address to listen on.
	Host string
	Port int
	// Certificate is the serving certificate.
	Certificate Certificate
	// MinVersion is the minimum TLS version, as in [tls.Config].
	MinVersion uint16
	// CipherSuites are the TLS 1.2 cipher suites, as in [tls.Config]; empty means Go's
	// defaults.
	CipherSuites []uint16
}

// Server serves the webhook over TLS on every replica, as soon as its certificate exists.
type Server struct {
	options Options
	server  *http.Server
	// serving is true once the server listens.
	serving atomic.Bool
}

// NewServer returns a server of handlers, by URL path. It does not listen before
// [Server.Start].
func NewServer(options Options, handlers map[string]http.Handler) *Server {
	reviews, mux := http.NewServeMux(), http.NewServeMux()
	limited := limit(reviews, clock.RealClock{}) // together
	for path, handler := range handlers {
		reviews.Handle(path, handler)
		mux.Handle(path, limited)
	}
	return &Server{options: options, server: server.New(mux, maxConnections)}
}

func (s *Server) configuration() *tls.Config {
	return &tls.Config{
		MinVersion:   s.options.MinVersion,
		CipherSuites: s.options.CipherSuites,
		// The API server calls webhooks only over HTTP/1.1. HTTP/2 would increase the attack
		// surface, and it forbids some cipher suites.
		NextProtos:     []string{"http/1.1"},
		GetCertificate: s.options.Certificate.GetCertificate,
	}
}

// Start implements [manager.Runnable]. It waits for the certificate and then serves until
// ctx is canceled. It returns an error if it cannot listen on the address.
func (s *Server) Start(ctx context.Context) error {
	select {
	case <-s.options.Certificate.Start(ctx):
	case <-ctx.Done():
		return nil
	}
	address := net.JoinHostPort(s.options.Host, strconv.Itoa(s.options.Port))
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("webhook server: %w", err)
	}
	s.serving.Store(true)
	timeout := requestTime
	serving := &manager.Server{Name: "webhook", Server: s.server, Listener: tls.NewListener(listener, s.configuration()), ShutdownTimeout: &timeout}
	if err := serving.Start(ctx); err != nil {
		return fmt.Errorf("webhook server: %w", err)
	}
	return nil
}

// NeedLeaderElection implements [manager.LeaderElectionRunnable]. Every replica serves
// (R2).
func (*Server) NeedLeaderElection() bool { return false }

// Ready is a readiness check. It returns an error until the webhook is served.
func (s *Server) Ready(*http.Request) error {
	if !s.serving.Load() {
		return errors.New("the webhook is not served yet")
	}
	return nil
}
