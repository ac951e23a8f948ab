// Package server makes the HTTP servers behind the operator's ports, which anybody
// in the network of the cluster can reach.
//
// What always holds: the number of connections, what a client may send before its
// request is known, and the time that it may take for all of it are bounded, and so
// is the memory that clients cost; a client that comes later gets a place, whatever
// those do that came before: they lose theirs.
//
// What a request costs beyond that, such as its body, is for the handler to bound.
package server

import (
	"net/http"
	"time"
)

const (
	// maxHeader is the most that a client may send as its headers, to which net/http
	// adds 4 KiB. API servers, Prometheus and kubelet send less than 1 KiB.
	maxHeader = 8 << 10
	// readTime bounds the handshake, the headers, and a request as a whole; an API
	// server gives up after 10 s itself.
	readTime = 10 * time.Second
	// writeTime bounds reading a request and answering it.
	writeTime = 30 * time.Second
	// idleTime is how long a connection may be kept without a request. It is that of
	// Go's own clients, of which API servers and Prometheus are.
	idleTime = 90 * time.Second
)

// New makes a server with so many connections at a time, at most. One more takes the
// place of the oldest of the most numerous: of those that are new, that wait for the
// next request, or that have one.
func New(handler http.Handler, connections int) *http.Server {
	return &http.Server{
		Handler:           handler,
		MaxHeaderBytes:    maxHeader,
		ReadHeaderTimeout: readTime,
		ReadTimeout:       readTime,
		WriteTimeout:      writeTime,
		IdleTimeout:       idleTime,
		ConnState:         newCrowd(connections).follow,
	}
}

// Bodiless keeps requests with a body from a handler that reads none: net/http would
// read it before it sends an answer, at the pace of the client.
func Bodiless(next http.Handler) http.Handler {
	return http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		if request.ContentLength == 0 {
			next.ServeHTTP(response, request)
			return
		}
		// Only a connection that is none, as in tests, knows no deadlines.
		_ = http.NewResponseController(response).SetReadDeadline(time.Unix(1, 0))
		response.Header().Set("Connection", "close")
		http.Error(response, "a body is not expected", http.StatusRequestEntityTooLarge)
	})
}
