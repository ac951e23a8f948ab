package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"
)

// connection records that it was closed.
type connection struct {
	net.Conn
	name   string
	closed *[]string
}

func (c *connection) Close() error {
	*c.closed = append(*c.closed, c.name)
	return nil
}

// checkEmpty fails the test if the limiter still tracks a connection.
func (l *connLimiter) checkEmpty(t *testing.T) {
	t.Helper()
	if len(l.entries) > 0 || len(l.evicted) > 0 {
		t.Errorf("%d connections and %d evicted ones are still tracked", len(l.entries), len(l.evicted))
	}
	for state, conns := range l.byState {
		if conns.Len() > 0 {
			t.Errorf("%d connections are still listed as %s", conns.Len(), state)
		}
	}
}

// With room for three connections, a fourth evicts the right one.
func TestCrowd(t *testing.T) {
	t.Parallel()
	const fresh, active, idle, closed = http.StateNew, http.StateActive, http.StateIdle, http.StateClosed
	type step struct {
		name  string
		state http.ConnState
	}
	for name, tc := range map[string]struct {
		steps []step
		want  []string
	}{
		"below the limit":             {[]step{{"a", fresh}, {"b", fresh}, {"c", fresh}}, nil},
		"one was closed":              {[]step{{"a", fresh}, {"b", fresh}, {"c", fresh}, {"a", closed}, {"d", fresh}}, nil},
		"the oldest new one":          {[]step{{"a", fresh}, {"b", fresh}, {"c", fresh}, {"d", fresh}}, []string{"a"}},
		"one after the other":         {[]step{{"a", fresh}, {"b", fresh}, {"c", fresh}, {"d", fresh}, {"e", fresh}}, []string{"a", "b"}},
		"a new one before idle":       {[]step{{"a", fresh}, {"a", active}, {"a", idle}, {"b", fresh}, {"b", active}, {"b", idle}, {"c", fresh}, {"d", fresh}}, []string{"c"}},
		"an idle before an active":    {[]step{{"a", fresh}, {"a", active}, {"b", fresh}, {"b", active}, {"b", idle}, {"c", fresh}, {"c", active}, {"c", idle}, {"a", idle}, {"a", active}, {"b", active}, {"d", fresh}}, []string{"a"}},
		"in the most populated state": {[]step{{"a", fresh}, {"a", active}, {"a", idle}, {"b", fresh}, {"b", active}, {"c", fresh}, {"c", active}, {"d", fresh}}, []string{"b"}},
		"the longest idle": {[]step{{"a", fresh}, {"a", active}, {"a", idle}, {"b", fresh}, {"b", active}, {"b", idle}, {"c", fresh}, {"c", active}, {"c", idle},
			{"a", active}, {"a", idle}, {"d", fresh}}, []string{"b"}},
		"the longest active": {[]step{{"a", fresh}, {"b", fresh}, {"b", active}, {"a", active}, {"c", fresh}, {"c", active}, {"d", fresh}}, []string{"b"}},
		"an evicted one is closed": {[]step{{"a", fresh}, {"b", fresh}, {"c", fresh}, {"d", fresh}, {"a", closed}, {"b", closed}, {"e", fresh}},
			[]string{"a"}},
		"an evicted one evicts none": {[]step{{"a", fresh}, {"b", fresh}, {"c", fresh}, {"d", fresh}, {"a", active}, {"a", idle}}, []string{"a"}},
		"an evicted one becomes active": {[]step{{"a", fresh}, {"b", fresh}, {"c", fresh}, {"d", fresh}, {"a", active}, {"a", closed}, {"e", fresh}},
			[]string{"a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var closed []string
			connections := map[string]*connection{}
			limiter := newConnLimiter(3)
			for _, step := range tc.steps {
				if connections[step.name] == nil {
					connections[step.name] = &connection{name: step.name, closed: &closed}
				}
				limiter.track(connections[step.name], step.state)
				if len(limiter.entries) > 3 {
					t.Errorf("%d connections after %v", len(limiter.entries), step)
				}
			}
			if !slices.Equal(closed, tc.want) {
				t.Errorf("closed %q, want %q", closed, tc.want)
			}
			for _, connection := range connections {
				limiter.track(connection, http.StateClosed)
			}
			limiter.checkEmpty(t)
		})
	}
}

// The limiter also forgets connections that end without a response, are hijacked by a
// handler, or end twice.
func TestCrowdForgets(t *testing.T) {
	t.Parallel()
	var closed []string
	for _, end := range []http.ConnState{http.StateClosed, http.StateHijacked} {
		limiter := newConnLimiter(3)
		var all []*connection
		for i := range 100 {
			conn := &connection{name: "c", closed: &closed}
			all = append(all, conn)
			for _, state := range []http.ConnState{http.StateNew, http.StateActive, http.StateIdle, http.StateActive}[:1+i%4] {
				limiter.track(conn, state)
			}
		}
		for _, conn := range all {
			limiter.track(conn, end)
			limiter.track(conn, http.StateClosed)
		}
		limiter.checkEmpty(t)
	}
}

// A TLS connection is closed immediately, even if its client reads nothing and all
// buffers are full: no close_notify is sent, for which crypto/tls would wait 5 s.
func TestHangUp(t *testing.T) {
	t.Parallel()
	withCertificate := httptest.NewTLSServer(nil)
	t.Cleanup(withCertificate.Close)
	below, client := net.Pipe() // unbuffered: a write blocks until it is read
	t.Cleanup(func() { _ = client.Close() })
	secure := tls.Server(below, &tls.Config{Certificates: withCertificate.TLS.Certificates, MinVersion: tls.VersionTLS12})
	trusted := x509.NewCertPool()
	trusted.AddCert(withCertificate.Certificate())
	// Up to TLS 1.2, the client has nothing to read after the handshake.
	far := tls.Client(client, &tls.Config{RootCAs: trusted, ServerName: "example.com", MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12})
	handshake := make(chan error, 1)
	go func() { handshake <- secure.HandshakeContext(t.Context()) }()
	if err := errors.Join(far.HandshakeContext(t.Context()), <-handshake); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	abort(secure)
	if took := time.Since(began); took > time.Second {
		t.Errorf("abort took %s", took)
	}
	if more, err := io.ReadAll(client); len(more) > 0 || err != nil {
		t.Errorf("the client received %d more bytes, and then %v", len(more), err)
	}
}
