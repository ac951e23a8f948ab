package rig

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// lines is the response of the server behind the proxy. Like that of a watch, it
// has several lines.
var lines = strings.Repeat("one event\n", 200)

const (
	objectPath = "/api/v1/namespaces/a/configmaps/roots"
	watchPath  = "/api/v1/configmaps?resourceVersion=1000&watch=true"
)

// scene is a proxy in front of a server that counts the requests it receives.
type scene struct {
	proxy   *Proxy
	reached atomic.Int64
	// version is the resource version of the last request.
	version atomic.Int64
}

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{}
	server := httptest.NewServer(http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		s.reached.Add(1)
		version, _ := strconv.Atoi(request.URL.Query().Get("resourceVersion"))
		s.version.Store(int64(version))
		_, _ = io.WriteString(response, lines)
		if request.URL.Query().Get("fieldSelector") == "quiet" { // a watch without further events
			_ = http.NewResponseController(response).Flush()
			<-request.Context().Done()
		}
	}))
	t.Cleanup(server.Close)
	upstream, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	s.proxy = newProxy(upstream, http.DefaultTransport, 1)
	t.Cleanup(s.proxy.Stop)
	return s
}

// ask sends a request, such as "GET /path", and returns the response.
func (s *scene) ask(t *testing.T, what string) (code int, text string, err error) {
	t.Helper()
	method, path, _ := strings.Cut(what, " ")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, s.proxy.server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := s.proxy.server.Client().Do(request)
	if err != nil {
		return 0, "", err
	}
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), errors.Join(err, response.Body.Close())
}

// Each fault has its documented effect and is counted. A request to which it does
// not apply is forwarded.
func TestProxy(t *testing.T) {
	t.Parallel()
	for fault, tc := range map[Fault]struct {
		hit, missed string
		// code is the status of the response, or 0 without a complete response. reached
		// reports whether the server received the request.
		code    int
		reached bool
	}{
		Conflict:        {"PUT " + objectPath, "GET " + objectPath, http.StatusConflict, false},
		NamespaceEnd:    {"POST /api/v1/namespaces/a/configmaps", "PUT /api/v1/namespaces/" + TrustNamespace + "/configmaps/b", http.StatusNotFound, false},
		TooManyRequests: {"GET " + objectPath, "", http.StatusTooManyRequests, false},
		ServerError:     {"GET " + watchPath, "", http.StatusInternalServerError, false},
		Unauthorized:    {"PUT " + objectPath, "", http.StatusUnauthorized, false},
		LostAnswer:      {"PUT " + objectPath, "GET " + watchPath, 0, true},
		CutAnswer:       {"GET " + objectPath, "GET " + watchPath, 0, true},
		HalfClosed:      {"GET " + objectPath, "", 0, true},
		DelayedWatch:    {"GET " + watchPath, "GET " + objectPath, http.StatusOK, true},
		ReplayedWatch:   {"GET " + watchPath, "GET " + objectPath, http.StatusOK, true},
	} {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			s.proxy.Inject(100, fault)
			code, text, err := s.ask(t, tc.hit)
			if (err != nil) != (tc.code == 0) || err == nil && code != tc.code {
				t.Errorf("%s: %d, %v, want %d", tc.hit, code, err, tc.code)
			}
			if code == http.StatusOK && err == nil && text != lines {
				t.Errorf("%s: the response has %d bytes, want %d", tc.hit, len(text), len(lines))
			}
			if reached := s.reached.Load() > 0; reached != tc.reached {
				t.Errorf("%s: reached the server: %t, want %t", tc.hit, reached, tc.reached)
			}
			if version := s.version.Load(); fault == ReplayedWatch && (version >= 1000 || version < 1000-mostReplayed) {
				t.Errorf("the watch starts at %d", version)
			}
			if count := s.proxy.Injected()[fault]; count != 1 {
				t.Errorf("counted %d times", count)
			}
			if tc.missed == "" {
				return
			}
			if code, text, err := s.ask(t, tc.missed); err != nil || code != http.StatusOK || text != lines {
				t.Errorf("%s: %d, %d bytes, %v, want the server's response", tc.missed, code, len(text), err)
			}
		})
	}
}

// A watch is cut in the middle or ends early, and never delivers more than the
// server's response.
func TestCutWatch(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.proxy.Inject(100, CutWatch)
	cut := 0
	for range 20 {
		_, text, err := s.ask(t, "GET "+watchPath)
		if !strings.HasPrefix(lines, text) {
			t.Fatalf("%q", text)
		}
		if err != nil {
			cut++
		}
	}
	if cut == 0 {
		t.Error("none of 20 watches was cut in the middle")
	}
}

// A half-closed connection ends for the caller in the middle of a response, even
// that of a quiet watch, while the proxy still accepts what the caller sends.
func TestHalfClosed(t *testing.T) {
	t.Parallel()
	for path, most := range map[string]int{objectPath: len(lines) / 2, watchPath + "&fieldSelector=quiet": len(lines)} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			s.proxy.Inject(100, HalfClosed)
			trusted := x509.NewCertPool()
			trusted.AddCert(s.proxy.server.Certificate())
			caller, err := tls.Dial("tcp", s.proxy.server.Listener.Addr().String(), &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12})
			if err != nil {
				t.Fatal(err)
			}
			defer caller.Close() //nolint:errcheck // the other side closes it
			if err := caller.SetDeadline(time.Now().Add(2 * watchCutAfter)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(caller, "GET "+path+" HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			response, err := http.ReadResponse(bufio.NewReader(caller), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close() //nolint:errcheck // it has already ended
			text, err := io.ReadAll(response.Body)
			if !errors.Is(err, io.ErrUnexpectedEOF) || len(text) != most || !strings.HasPrefix(lines, string(text)) {
				t.Errorf("got %d bytes and then %v; want %d and the end of the connection", len(text), err, most)
			}
			// On a fully closed connection, the second write fails.
			for range 5 {
				if _, err := io.WriteString(caller.NetConn(), "more"); err != nil {
					t.Fatalf("the connection does not accept data: %v", err)
				}
				time.Sleep(halfTime / 30)
			}
		})
	}
}

// The configured share of requests gets a fault, and the same seed chooses the
// same requests.
func TestShareOfRequests(t *testing.T) {
	t.Parallel()
	chosen := func() string {
		s := newScene(t)
		s.proxy.Inject(30, ServerError, TooManyRequests)
		var all strings.Builder
		for range 200 {
			code, _, err := s.ask(t, "GET "+objectPath)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprint(&all, code, " ")
		}
		return all.String()
	}
	first := chosen()
	if again := chosen(); again != first {
		t.Errorf("the same seed chose other requests:\n%s\n%s", first, again)
	}
	if faults := 200 - strings.Count(first, "200"); faults < 40 || faults > 80 {
		t.Errorf("%d of 200 requests got a fault, want about 60", faults)
	}
}

// A request that hangs ends with its caller.
func TestHang(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.proxy.Inject(100, Hang)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.proxy.server.URL+objectPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	if response, err := s.proxy.server.Client().Do(request); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, %v, want no response", response, err)
		_ = response.Body.Close()
	}
	if s.reached.Load() > 0 {
		t.Error("the request reached the server")
	}
}
