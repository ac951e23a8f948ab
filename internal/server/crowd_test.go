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

// connection notes that it was closed.
type connection struct {
	net.Conn
	name   string
	closed *[]string
}

func (c *connection) Close() error {
	*c.closed = append(*c.closed, c.name)
	return nil
}

// empty sees to it that nothing is remembered of connections that have ended.
func (c *crowd) empty(t *testing.T) {
	t.Helper()
	if len(c.places) > 0 || len(c.left) > 0 {
		t.Errorf("places of %d connections and %d that had to make room are remembered", len(c.places), len(c.left))
	}
	for state, waiting := range c.states {
		if waiting.Len() > 0 {
			t.Errorf("%d connections are remembered as %s", waiting.Len(), state)
		}
	}
}

// Who makes room for one connection more, of three at most.
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
		"there is room":                  {[]step{{"a", fresh}, {"b", fresh}, {"c", fresh}}, nil},
		"one has ended":                  {[]step{{"a", fresh}, {"b", fresh}, {"c", fresh}, {"a", closed}, {"d", fresh}}, nil},
		"the oldest that is new":         {[]step{{"a", fresh}, {"b", fresh}, {"c", fresh}, {"d", fresh}}, []string{"a"}},
		"one after the other":            {[]step{{"a", fresh}, {"b", fresh}, {"c", fresh}, {"d", fresh}, {"e", fresh}}, []string{"a", "b"}},
		"a new one before idle":          {[]step{{"a", fresh}, {"a", active}, {"a", idle}, {"b", fresh}, {"b", active}, {"b", idle}, {"c", fresh}, {"d", fresh}}, []string{"c"}},
		"an idle before an active":       {[]step{{"a", fresh}, {"a", active}, {"b", fresh}, {"b", active}, {"b", idle}, {"c", fresh}, {"c", active}, {"c", idle}, {"a", idle}, {"a", active}, {"b", active}, {"d", fresh}}, []string{"a"}},
		"of the state in which most are": {[]step{{"a", fresh}, {"a", active}, {"a", idle}, {"b", fresh}, {"b", active}, {"c", fresh}, {"c", active}, {"d", fresh}}, []string{"b"}},
		"the idle for longest": {[]step{{"a", fresh}, {"a", active}, {"a", idle}, {"b", fresh}, {"b", active}, {"b", idle}, {"c", fresh}, {"c", active}, {"c", idle},
			{"a", active}, {"a", idle}, {"d", fresh}}, []string{"b"}},
		"the active for longest": {[]step{{"a", fresh}, {"b", fresh}, {"b", active}, {"a", active}, {"c", fresh}, {"c", active}, {"d", fresh}}, []string{"b"}},
		"one that was cut off ends": {[]step{{"a", fresh}, {"b", fresh}, {"c", fresh}, {"d", fresh}, {"a", closed}, {"b", closed}, {"e", fresh}},
			[]string{"a"}},
		"one that was cut off has nobody go": {[]step{{"a", fresh}, {"b", fresh}, {"c", fresh}, {"d", fresh}, {"a", active}, {"a", idle}}, []string{"a"}},
		"one that was cut off comes alive": {[]step{{"a", fresh}, {"b", fresh}, {"c", fresh}, {"d", fresh}, {"a", active}, {"a", closed}, {"e", fresh}},
			[]string{"a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var closed []string
			connections := map[string]*connection{}
			crowd := newCrowd(3)
			for _, step := range tc.steps {
				if connections[step.name] == nil {
					connections[step.name] = &connection{name: step.name, closed: &closed}
				}
				crowd.follow(connections[step.name], step.state)
				if len(crowd.places) > 3 {
					t.Errorf("%d connections after %v", len(crowd.places), step)
				}
			}
			if !slices.Equal(closed, tc.want) {
				t.Errorf("closed %q, want %q", closed, tc.want)
			}
			for _, connection := range connections {
				crowd.follow(connection, http.StateClosed)
			}
			crowd.empty(t)
		})
	}
}

// Nor is anything remembered where connections end without an answer, are taken over by
// a handler, or end twice.
func TestCrowdForgets(t *testing.T) {
	t.Parallel()
	var closed []string
	for _, end := range []http.ConnState{http.StateClosed, http.StateHijacked} {
		crowd := newCrowd(3)
		var all []*connection
		for i := range 100 {
			one := &connection{name: "c", closed: &closed}
			all = append(all, one)
			for _, state := range []http.ConnState{http.StateNew, http.StateActive, http.StateIdle, http.StateActive}[:1+i%4] {
				crowd.follow(one, state)
			}
		}
		for _, one := range all {
			crowd.follow(one, end)
			crowd.follow(one, http.StateClosed)
		}
		crowd.empty(t)
	}
}

// A connection over TLS is closed at once, even where its client reads nothing and all
// that lies between is full: it is sent no goodbye, for which crypto/tls waits 5 s.
func TestHangUp(t *testing.T) {
	t.Parallel()
	withCertificate := httptest.NewTLSServer(nil)
	t.Cleanup(withCertificate.Close)
	below, client := net.Pipe() // it holds nothing: a write waits until it is read
	t.Cleanup(func() { _ = client.Close() })
	secure := tls.Server(below, &tls.Config{Certificates: withCertificate.TLS.Certificates, MinVersion: tls.VersionTLS12})
	trusted := x509.NewCertPool()
	trusted.AddCert(withCertificate.Certificate())
	// Up to 1.2 nobody has to read anything after the handshake.
	far := tls.Client(client, &tls.Config{RootCAs: trusted, ServerName: "example.com", MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12})
	shaken := make(chan error, 1)
	go func() { shaken <- secure.HandshakeContext(t.Context()) }()
	if err := errors.Join(far.HandshakeContext(t.Context()), <-shaken); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	hangUp(secure)
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %s", took)
	}
	if more, err := io.ReadAll(client); len(more) > 0 || err != nil {
		t.Errorf("the client was sent %d bytes more, and then %v", len(more), err)
	}
}
