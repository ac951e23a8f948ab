package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/port"
)

// served is a server that runs until the test ends.
type served struct {
	t       *testing.T
	server  *Server
	address string
	log     *messages
	ended   chan error
	stop    context.CancelFunc
}

// serve runs a server with the certificate in a directory.
func serve(t *testing.T, dir string, changes ...func(*Options)) *served {
	t.Helper()
	ports, err := port.Free("127.0.0.1", 1)
	if err != nil {
		t.Fatal(err)
	}
	log := &messages{}
	options := Options{Host: "127.0.0.1", Port: ports[0], MinVersion: tls.VersionTLS12,
		Certificate: NewFiles(dir, logr.FromSlogHandler(slog.NewTextHandler(log, nil)))}
	for _, change := range changes {
		change(&options)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s := &served{t: t, server: NewServer(options, map[string]http.Handler{bundlePath: newTestHandler(t, &gatherer{})}), address: fmt.Sprintf("127.0.0.1:%d", ports[0]),
		log: log, ended: make(chan error, 1), stop: cancel}
	go func() { s.ended <- s.server.Start(ctx) }()
	t.Cleanup(cancel)
	return s
}

// eventually waits until check succeeds.
func (s *served) eventually(what string, check func() error) {
	s.t.Helper()
	if err := poll.Until(s.t.Context(), what, check); err != nil {
		s.t.Fatalf("%v\n%s", err, s.log)
	}
}

func (s *served) ready() error { return s.server.Ready(nil) }

// handshake returns the connection state of a client with this TLS version.
func (s *served) handshake(version uint16) (tls.ConnectionState, error) {
	dialer := &tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version}}
	connection, err := dialer.DialContext(s.t.Context(), "tcp", s.address)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer connection.Close() //nolint:errcheck // only read
	return connection.(*tls.Conn).ConnectionState(), nil
}

func (s *served) serves(want ca.Pair) func() error {
	return func() error {
		state, err := s.handshake(tls.VersionTLS12)
		if err == nil && !state.PeerCertificates[0].Equal(want.X509()) {
			err = errors.New("another certificate is served")
		}
		return err
	}
}

// messages collects a log.
type messages struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (m *messages) Write(text []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.text.Write(text)
}

func (m *messages) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.text.String()
}

// R1: the server waits for its certificate, logs that once, and is not ready until it
// exists. A certificate with the wrong key is logged and retried.
func TestServerAwaitsCertificate(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	s := serve(t, folder)
	logged := func(part string) func() error {
		return func() error {
			if !strings.Contains(s.log.String(), part) {
				return errors.New("not logged")
			}
			return nil
		}
	}
	s.eventually("the message that it waits", logged("Waiting for the webhook's certificate"))
	if s.ready() == nil {
		t.Error("ready without a certificate")
	}
	good, other := newPair(), newPair()
	write(t, ca.Pair{Certificate: good.Certificate, Key: other.Key}, folder)
	s.eventually("the message about the wrong key", logged("cannot be used"))
	time.Sleep(2 * retryInterval)
	if s.ready() == nil {
		t.Error("ready with the key of another certificate")
	}
	write(t, good, folder)
	s.eventually("readiness", s.ready)
	if err := s.serves(good)(); err != nil {
		t.Error(err)
	}
	for _, part := range []string{"Waiting for", "cannot be used"} {
		if count := strings.Count(s.log.String(), part); count != 1 {
			t.Errorf("%q is logged %d times, want once:\n%s", part, count, s.log)
		}
	}
}

// R1: a new certificate is loaded without a restart. If it is invalid, the old one is
// still served.
func TestServerTakesNewCertificates(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	first, second := newPair(), newPair()
	write(t, first, folder)
	s := serve(t, folder)
	s.eventually("readiness", s.ready)
	write(t, ca.Pair{Certificate: second.Certificate, Key: "broken"}, folder)
	time.Sleep(retryInterval)
	if err := s.serves(first)(); err != nil {
		t.Errorf("after a broken pair: %v", err)
	}
	write(t, second, folder)
	s.eventually("the new certificate", s.serves(second))
	if err := os.Remove(filepath.Join(folder, KeyFile)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(retryInterval)
	if err := errors.Join(s.serves(second)(), s.ready()); err != nil {
		t.Errorf("after the key was removed: %v", err)
	}
}

// R1: TLS version and cipher suites are configurable, and HTTP/2 is not offered.
func TestServerTLS(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	write(t, newPair(), folder)
	for name, tc := range map[string]struct {
		change func(*Options)
		// tls12 is true if TLS 1.2 works, with suite if that is set.
		tls12 bool
		suite uint16
	}{
		"1.2": {func(*Options) {}, true, 0},
		"1.3": {func(o *Options) { o.MinVersion = tls.VersionTLS13 }, false, 0},
		"only one suite of 1.2": {
			func(o *Options) { o.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384} }, true, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		},
		"a suite that HTTP/2 forbids": {
			func(o *Options) { o.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA} }, true, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
		},
		"only suites of 1.3": {func(o *Options) { o.CipherSuites = []uint16{tls.TLS_AES_128_GCM_SHA256} }, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, folder, tc.change)
			s.eventually("readiness", s.ready)
			state, err := s.handshake(tls.VersionTLS12)
			if (err == nil) != tc.tls12 || tc.suite != 0 && state.CipherSuite != tc.suite {
				t.Errorf("TLS 1.2: %v, suite %s; want success %t", err, tls.CipherSuiteName(state.CipherSuite), tc.tls12)
			}
			if _, err := s.handshake(tls.VersionTLS11); err == nil {
				t.Error("TLS 1.1 works")
			}
			if _, err := s.handshake(tls.VersionTLS13); err != nil {
				t.Errorf("TLS 1.3: %v", err)
			}
			client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
			response, err := client.Post("https://"+s.address+bundlePath, "application/json", strings.NewReader("{"))
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close() //nolint:errcheck // only read
			if body, err := io.ReadAll(response.Body); err != nil || response.ProtoMajor != 1 || !strings.Contains(string(body), `"code":400`) {
				t.Errorf("%s: %s (%v)", response.Proto, body, err)
			}
		})
	}
}

// Start returns an error if the address is in use, and nil if its context is canceled, with
// or without a certificate.
func TestServerEnds(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	write(t, newPair(), folder)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	for name, tc := range map[string]struct {
		folder string
		change func(*Options)
		fails  bool
	}{
		"an address in use": {folder, func(o *Options) { o.Port = taken.Addr().(*net.TCPAddr).Port }, true},
		"while it serves":   {folder, func(*Options) {}, false},
		"while it waits":    {t.TempDir(), func(*Options) {}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, tc.folder, tc.change)
			if !tc.fails {
				time.Sleep(100 * time.Millisecond)
				s.stop()
			}
			select {
			case err := <-s.ended:
				if (err != nil) != tc.fails {
					t.Errorf("error %v", err)
				}
			case <-time.After(10 * time.Second):
				t.Error("Start does not return")
			}
		})
	}
}

// R2: every replica serves, leader or not.
func TestServerOfStandbys(t *testing.T) {
	t.Parallel()
	if (&Server{}).NeedLeaderElection() {
		t.Error("a standby would not serve")
	}
}
