package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
)

// The files of a certificate directory, which are those of a Secret of the type
// kubernetes.io/tls that is mounted as a volume.
const (
	CertificateFile = "tls.crt"
	KeyFile         = "tls.key"
)

// retry is the time between two looks for a certificate that can be used.
const retry = time.Second

// Options say where and how the webhook is served.
type Options struct {
	// Host and Port are the address to listen on.
	Host string
	Port int
	// CertificateDir is the folder of CertificateFile and KeyFile.
	CertificateDir string
	// MinVersion is the lowest version of TLS, as in crypto/tls.
	MinVersion uint16
	// CipherSuites are those of TLS 1.2, as in crypto/tls; none means Go's own
	// choice.
	CipherSuites []uint16
	// Log is told of the certificate.
	Log logr.Logger
}

// Server serves the webhook over TLS, on every replica, from the moment on at
// which there is a certificate. It takes a new certificate without a restart, and
// keeps the old one where the new one cannot be used.
type Server struct {
	options Options
	server  webhook.Server
	// certificate is set before the server starts.
	certificate *certwatcher.CertWatcher
}

// NewServer makes a server of the handler. It serves nothing before Start.
func NewServer(options Options, handler http.Handler) *Server {
	s := &Server{options: options}
	s.server = webhook.NewServer(webhook.Options{
		Host:    options.Host,
		Port:    options.Port,
		TLSOpts: []func(*tls.Config){s.configure},
	})
	s.server.Register(Path, limited(handler, clock.RealClock{}))
	return s
}

func (s *Server) configure(config *tls.Config) {
	config.MinVersion = s.options.MinVersion
	config.CipherSuites = s.options.CipherSuites
	// The API server calls webhooks by HTTP/1.1 alone. HTTP/2 would only be one
	// more thing to attack, and refuses some of the suites.
	config.NextProtos = []string{"http/1.1"}
	config.GetCertificate = s.certificate.GetCertificate
}

// Start implements manager.Runnable: it waits for a certificate and then serves
// until the context ends. An address that cannot be listened on is an error.
func (s *Server) Start(ctx context.Context) error {
	if s.certificate = s.awaitCertificate(ctx); s.certificate == nil {
		return nil
	}
	go s.follow(ctx)
	if err := s.server.Start(ctx); err != nil {
		return fmt.Errorf("the webhook's server: %w", err)
	}
	return nil
}

// NeedLeaderElection implements manager.LeaderElectionRunnable: every replica
// serves (R2).
func (*Server) NeedLeaderElection() bool { return false }

// Ready says why the webhook is not being served, if it is not.
func (s *Server) Ready(request *http.Request) error { return s.server.StartedChecker()(request) }

// awaitCertificate looks for a certificate that can be used, and tells whenever
// what is wrong with it has changed. It returns nil at the end of the context.
func (s *Server) awaitCertificate(ctx context.Context) *certwatcher.CertWatcher {
	told := ""
	for {
		certificate, err := certwatcher.New(
			filepath.Join(s.options.CertificateDir, CertificateFile), filepath.Join(s.options.CertificateDir, KeyFile))
		if err == nil {
			return certificate
		}
		if cause := err.Error(); cause != told {
			told = cause
			s.tellWaiting(err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retry):
		}
	}
}

func (s *Server) tellWaiting(cause error) {
	if errors.Is(cause, fs.ErrNotExist) {
		s.options.Log.Info("Waiting for the webhook's certificate, without which the webhook is not served and the operator not ready; all else goes on",
			"missing", cause.Error())
		return
	}
	s.options.Log.Error(cause, "The webhook's certificate cannot be used; trying again", "folder", s.options.CertificateDir)
}

// follow has the certificate read anew whenever it changes. Where it cannot be
// watched, which the library tells after some seconds, it is read at that pace.
func (s *Server) follow(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.certificate.Start(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		s.options.Log.Error(err, "The webhook's certificate cannot be watched, and is read now and then instead")
		if err := s.certificate.ReadCertificate(); err != nil {
			s.options.Log.Error(err, "The webhook's certificate cannot be read; the old one stays")
		}
	}
}
