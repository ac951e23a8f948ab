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

// Certificate is what the webhook shows to those who call it. It may change while
// it is in use.
type Certificate interface {
	// Start keeps the certificate until the context ends. The channel is closed once
	// there is one to be served.
	Start(ctx context.Context) (ready <-chan struct{})
	// GetCertificate is that of tls.Config.
	GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error)
}

// Options say where and how the webhook is served.
type Options struct {
	// Host and Port are the address to listen on.
	Host string
	Port int
	// Certificate is what is shown.
	Certificate Certificate
	// MinVersion is the lowest version of TLS, as in crypto/tls.
	MinVersion uint16
	// CipherSuites are those of TLS 1.2, as in crypto/tls; none means Go's own
	// choice.
	CipherSuites []uint16
}

// Server serves the webhook over TLS, on every replica, from the moment on at
// which there is a certificate.
type Server struct {
	options Options
	server  *http.Server
	// serving says that clients are being listened to.
	serving atomic.Bool
}

// NewServer makes a server of the handler. It serves nothing before Start.
func NewServer(options Options, handler http.Handler) *Server {
	mux := http.NewServeMux()
	mux.Handle(Path, limited(handler, clock.RealClock{}))
	return &Server{options: options, server: server.New(mux, maxConnections)}
}

func (s *Server) configuration() *tls.Config {
	return &tls.Config{
		MinVersion:   s.options.MinVersion,
		CipherSuites: s.options.CipherSuites,
		// The API server calls webhooks by HTTP/1.1 alone. HTTP/2 would only be one
		// more thing to attack, and refuses some of the suites.
		NextProtos:     []string{"http/1.1"},
		GetCertificate: s.options.Certificate.GetCertificate,
	}
}

// Start implements manager.Runnable: it waits for a certificate and then serves
// until the context ends. An address that cannot be listened on is an error.
func (s *Server) Start(ctx context.Context) error {
	select {
	case <-s.options.Certificate.Start(ctx):
	case <-ctx.Done():
		return nil
	}
	address := net.JoinHostPort(s.options.Host, strconv.Itoa(s.options.Port))
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("the webhook's server: %w", err)
	}
	s.serving.Store(true)
	stop := requestTime
	serving := &manager.Server{Name: "webhook", Server: s.server, Listener: tls.NewListener(listener, s.configuration()), ShutdownTimeout: &stop}
	if err := serving.Start(ctx); err != nil {
		return fmt.Errorf("the webhook's server: %w", err)
	}
	return nil
}

// NeedLeaderElection implements manager.LeaderElectionRunnable: every replica
// serves (R2).
func (*Server) NeedLeaderElection() bool { return false }

// Ready says why the webhook is not being served, if it is not.
func (s *Server) Ready(*http.Request) error {
	if !s.serving.Load() {
		return errors.New("the webhook is not being served yet")
	}
	return nil
}
