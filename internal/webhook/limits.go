package webhook

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"k8s.io/utils/clock"
)

// Limits on the resources that clients can use in the operator's process, in addition to
// those of package server. The API server needs milliseconds per request, but every pod
// in the cluster's network can call the webhook.
const (
	// maxConnections suffices for five API servers with 200 concurrent mutating requests
	// each, their default limit.
	maxConnections = 1024
	// requestTime bounds the time to read a request, and then the time that it waits for
	// the handler.
	requestTime = 5 * time.Second
	// maxConcurrent is the number of requests that the handler processes concurrently.
	// Processing needs only CPU time: the request has been read, and sources are cached.
	maxConcurrent = 2
	// maxBody has room for the old and the new version of a Bundle. etcd accepts 1.5 MiB
	// per object, so a larger Bundle could not be stored.
	maxBody = 4 << 20
	// ownBody is the part of its body that each client may always hold in memory, which
	// is sufficient for most Bundles. sharedBody bounds the memory that all bodies may
	// use beyond that.
	ownBody    = 16 << 10
	sharedBody = 16 << 20
	// maxValues bounds the values in a body: a few bytes of JSON can become a hundred
	// bytes in memory. A Bundle has a few hundred values.
	maxValues = 100_000
)

// limiter bounds the number, duration and memory of the requests to a handler. It reads a
// request at the speed of the client, then waits for a free slot to run the handler, and
// sends the response after it has freed the slot. Slow clients therefore use memory,
// which is bounded, but no slots.
type limiter struct {
	next  http.Handler
	clock clock.WithTicker
	slots chan struct{}
	// reserved is the used part of sharedBody.
	reserved atomic.Int64
}

func limit(next http.Handler, clock clock.WithTicker) *limiter {
	return &limiter{next: next, clock: clock, slots: make(chan struct{}, maxConcurrent)}
}

// ServeHTTP implements [http.Handler].
func (l *limiter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Setting a deadline fails only for connections without deadlines, such as those of
	// tests.
	control, deadline := http.NewResponseController(w), l.clock.Now().Add(requestTime)
	_ = control.SetReadDeadline(deadline)
	_ = control.SetWriteDeadline(deadline.Add(2 * requestTime))
	b := body{limiter: l}
	defer b.release()
	if err := b.read(r); err != nil {
		if errors.Is(err, errTooLarge) { // a client that is still sending reads no response
			_, _ = io.CopyN(io.Discard, r.Body, 2*maxBody)
		}
		reject(w, err)
		return
	}
	resp, err := l.handle(r, b.text)
	if err != nil {
		reject(w, err)
		return
	}
	resp.send(w)
}

// handle runs the handler as soon as a slot is free.
func (l *limiter) handle(r *http.Request, text []byte) (*response, error) {
	timeout := l.clock.NewTimer(requestTime)
	defer timeout.Stop()
	select {
	case l.slots <- struct{}{}:
		defer func() { <-l.slots }()
	case <-timeout.C():
		return nil, errBusy
	case <-r.Context().Done():
		return nil, errBusy // the client is gone
	}
	if len(text) > 0 {
		r.Body = io.NopCloser(bytes.NewReader(text))
	}
	resp := &response{header: http.Header{}, code: http.StatusOK}
	l.next.ServeHTTP(resp, r)
	return resp, nil
}

// Reasons to reject a request before the handler runs.
var (
	errBusy      = errors.New("too many concurrent requests")
	errTooLarge  = errors.New("the request is too large for a Bundle")
	errNotObject = errors.New("the request is not a JSON object")
)

// reject responds with an error. API servers retry errors that are temporary.
func reject(w http.ResponseWriter, err error) {
	code := http.StatusBadRequest
	switch {
	case errors.Is(err, errBusy):
		w.Header().Set("Retry-After", "1")
		code = http.StatusTooManyRequests
	case errors.Is(err, errTooLarge):
		code = http.StatusRequestEntityTooLarge
	}
	http.Error(w, err.Error(), code)
}

// response buffers a response until it is sent.
type response struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

// Header implements [http.ResponseWriter].
func (r *response) Header() http.Header { return r.header }

// WriteHeader implements [http.ResponseWriter].
func (r *response) WriteHeader(code int) { r.code = code }

// Write implements [http.ResponseWriter].
func (r *response) Write(text []byte) (int, error) { return r.body.Write(text) }

func (r *response) send(w http.ResponseWriter) {
	for name, values := range r.header {
		w.Header()[name] = values
	}
	w.WriteHeader(r.code)
	_, _ = w.Write(r.body.Bytes()) // the client may be gone
}
