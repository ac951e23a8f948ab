package server

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// serve runs a server until the test ends, and returns its address.
func serve(t *testing.T, handler http.HandlerFunc, connections int) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := New(handler, connections)
	go func() { _ = server.Serve(listener) }() // returns an error when it is closed
	t.Cleanup(func() { _ = server.Close() })
	return listener.Addr().String()
}

func dial(t *testing.T, address, text string) net.Conn {
	t.Helper()
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	if _, err := io.WriteString(connection, text); err != nil {
		t.Fatal(err)
	}
	return connection
}

// answered returns nil if the connection receives a successful response within 20 s.
func answered(t *testing.T, connection net.Conn) error {
	t.Helper()
	if err := connection.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the status is %s", response.Status)
	}
	return nil
}

const request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"

func ok(http.ResponseWriter, *http.Request) {}

// Clients that send nothing, half a request, or endless headers do not keep other
// clients out, however many they are, and the first of them are evicted.
func TestIdleClientsBlockNoClient(t *testing.T) {
	t.Parallel()
	const most = 8
	for name, text := range map[string]string{"nothing": "", "half a line": "GET /", "headers without end": "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := serve(t, ok, most)
			first := dial(t, address, text)
			for range 5 * most {
				dial(t, address, text)
			}
			if err := answered(t, dial(t, address, request)); err != nil {
				t.Errorf("a request after them: %v", err)
			}
			began := time.Now()
			if err := first.SetReadDeadline(began.Add(readTimeout / 2)); err != nil {
				t.Fatal(err)
			}
			if _, err := first.Read(make([]byte, 1)); err == nil || time.Since(began) >= readTimeout/2 {
				t.Errorf("the first client is still connected: %v", err)
			}
		})
	}
}

// Hanging requests are evicted as well, the oldest first.
func TestHangingRequestsBlockNoClient(t *testing.T) {
	t.Parallel()
	const most = 8
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	address := serve(t, func(_ http.ResponseWriter, request *http.Request) {
		if request.URL.Path == "/hang" {
			select {
			case <-release:
			case <-request.Context().Done():
			}
		}
	}, most)
	for range 3 * most {
		dial(t, address, strings.Replace(request, "/", "/hang", 1))
	}
	if err := answered(t, dial(t, address, request)); err != nil {
		t.Errorf("a request after them: %v", err)
	}
}

// A request that announces a body and does not send it is rejected immediately, and does
// not reach the handler.
func TestBodiless(t *testing.T) {
	t.Parallel()
	reached := make(chan struct{}, 2)
	address := serve(t, Bodiless(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached <- struct{}{} })).ServeHTTP, 8)
	for _, header := range []string{"Content-Length: 100000", "Transfer-Encoding: chunked"} {
		began := time.Now()
		err := answered(t, dial(t, address, "GET / HTTP/1.1\r\nHost: h\r\n"+header+"\r\n\r\n"))
		if err == nil || !strings.Contains(err.Error(), "413") || time.Since(began) > readTimeout/2 {
			t.Errorf("%s: %v after %s", header, err, time.Since(began))
		}
	}
	if err := answered(t, dial(t, address, request)); err != nil || len(reached) != 1 {
		t.Errorf("without a body: %v; %d requests reached the handler", err, len(reached))
	}
}

// A body that arrives in small pieces delays neither the response, which announces that
// the connection closes, nor the close.
func TestBodilessTrickle(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ header, piece string }{
		"of known length": {"Content-Length: 100000", "b"},
		"chunked":         {"Transfer-Encoding: chunked", "1\r\nb\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := serve(t, Bodiless(http.HandlerFunc(ok)).ServeHTTP, 8)
			connection := dial(t, address, "GET / HTTP/1.1\r\nHost: h\r\n"+tc.header+"\r\n\r\n")
			began := time.Now()
			go func() {
				for { // until the connection is closed
					if _, err := io.WriteString(connection, tc.piece); err != nil {
						return
					}
					time.Sleep(20 * time.Millisecond)
				}
			}()
			if err := connection.SetReadDeadline(began.Add(2 * readTimeout)); err != nil {
				t.Fatal(err)
			}
			reader := bufio.NewReader(connection)
			response, err := http.ReadResponse(reader, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close() //nolint:errcheck // only read
			if took := time.Since(began); took > readTimeout/4 {
				t.Errorf("the response took %s", took)
			}
			if response.StatusCode != http.StatusRequestEntityTooLarge || !response.Close {
				t.Errorf("the response is %s, and closes the connection: %t", response.Status, response.Close)
			}
			// It may also end with a reset, because data is always in flight.
			if _, err := io.Copy(io.Discard, reader); errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) > readTimeout/2 {
				t.Errorf("the connection stayed open for %s (%v)", time.Since(began), err)
			}
		})
	}
}

// The handler itself sets the Connection header, independent of the server.
func TestBodilessCloses(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{"": "", "a body": "close"} {
		answer := httptest.NewRecorder()
		Bodiless(http.HandlerFunc(ok)).ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", strings.NewReader(body)))
		if got := answer.Header().Get("Connection"); got != want {
			t.Errorf("body %q: the Connection header is %q, want %q", body, got, want)
		}
	}
}

// The size of headers is bounded, at little more than the documented limit.
func TestLargeHeaders(t *testing.T) {
	t.Parallel()
	address := serve(t, ok, 8)
	for size, want := range map[int]bool{maxHeaderBytes - 512: true, maxHeaderBytes + 8<<10: false} {
		err := answered(t, dial(t, address, "GET / HTTP/1.1\r\nHost: h\r\nA: "+strings.Repeat("b", size)+"\r\n\r\n"))
		if (err == nil) != want {
			t.Errorf("headers of %d bytes: %v, want success %t", size, err, want)
		}
	}
}

// Every phase of a request has a timeout.
func TestTimesAreBounded(t *testing.T) {
	t.Parallel()
	server := New(http.HandlerFunc(ok), 1)
	for name, tc := range map[string]struct{ bound, most time.Duration }{
		"headers": {server.ReadHeaderTimeout, 10 * time.Second},
		"request": {server.ReadTimeout, 10 * time.Second},
		"answer":  {server.WriteTimeout, 30 * time.Second},
		"idle":    {server.IdleTimeout, 90 * time.Second},
	} {
		if tc.bound <= 0 || tc.bound > tc.most {
			t.Errorf("%s: %s, want at most %s", name, tc.bound, tc.most)
		}
	}
}
