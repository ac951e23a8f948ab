package server

import (
	"net/http"
	"time"
)

const (
	// maxHeaderBytes bounds the headers of a request; net/http adds 4 KiB. API servers,
	// Prometheus and kubelets send less than 1 KiB.
	maxHeaderBytes = 8 << 10
	// readTimeout bounds the TLS handshake, the headers, and the whole request. An API
	// server itself gives up after 10 s.
	readTimeout = 10 * time.Second
	// writeTimeout bounds the time to read a request and write the response.
	writeTimeout = 30 * time.Second
	// idleTimeout bounds how long a connection stays open without a request. It is the
	// default of Go's HTTP client, which API servers and Prometheus use.
	idleTimeout = 90 * time.Second
)

// New returns a server with at most maxConnections open connections. When a further one
// arrives, the server evicts the oldest connection in the most populated state (new,
// idle or active).
func New(handler http.Handler, maxConnections int) *http.Server {
	return &http.Server{
		Handler:           handler,
		MaxHeaderBytes:    maxHeaderBytes,
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		ConnState:         newConnLimiter(maxConnections).track,
	}
}

// Bodiless returns a handler that rejects requests with a body and passes all others to
// next. If a handler leaves a body unread, net/http reads it before it sends the
// response, as slowly as the client sends it.
func Bodiless(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength == 0 {
			next.ServeHTTP(w, r)
			return
		}
		// It fails only for connections without deadlines, such as those of tests.
		_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
		w.Header().Set("Connection", "close")
		http.Error(w, "a request body is not allowed", http.StatusRequestEntityTooLarge)
	})
}
