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

// What clients can take of the operator, with which it shares its memory, beyond
// what package server bounds. The API server needs milliseconds; but anybody in the
// network of the cluster can call.
const (
	// maxConnections is enough for five API servers with the 200 changes at a time that
	// each lets through by default.
	maxConnections = 1024
	// requestTime bounds reading a request, and then the wait for its turn.
	requestTime = 5 * time.Second
	// maxTurns is how many requests are answered at the same time. It is work for the
	// processor alone, since all of the request has been read and sources are cached.
	maxTurns = 2
	// maxBody is room for a Bundle as it was and as it is to be. etcd takes 1.5 MiB for
	// an object, so a larger one could not be kept.
	maxBody = 4 << 20
	// ownBody is how much of its body each client may always have in memory, which is
	// all of it for most Bundles, and sharedBody what all may have beyond that together.
	ownBody    = 16 << 10
	sharedBody = 16 << 20
	// maxValues bounds the values in a body: a few bytes of JSON can become a hundred
	// in memory. A Bundle has some hundred.
	maxValues = 100_000
)

// limits bounds the requests to a handler, in number, time and memory: a request is
// read as fast as its client sends it, then takes its turn, and only after that is
// the answer sent. So slow clients cost memory, which is bounded, and no turns.
type limits struct {
	next  http.Handler
	clock clock.WithTicker
	turns chan struct{}
	// taken is how much of sharedBody is in use.
	taken atomic.Int64
}

func limited(next http.Handler, clock clock.WithTicker) *limits {
	return &limits{next: next, clock: clock, turns: make(chan struct{}, maxTurns)}
}

// ServeHTTP implements http.Handler.
func (l *limits) ServeHTTP(response http.ResponseWriter, request *http.Request) {
	// Only a connection that is none, as in tests, knows no deadlines.
	control, deadline := http.NewResponseController(response), l.clock.Now().Add(requestTime)
	_ = control.SetReadDeadline(deadline)
	_ = control.SetWriteDeadline(deadline.Add(2 * requestTime))
	read := body{limits: l}
	defer read.free()
	if err := read.from(request); err != nil {
		if errors.Is(err, errLarge) { // who still sends does not read an answer
			_, _ = io.CopyN(io.Discard, request.Body, 2*maxBody)
		}
		refuse(response, err)
		return
	}
	answer, err := l.answer(request, read.text)
	if err != nil {
		refuse(response, err)
		return
	}
	answer.send(response)
}

// answer has the handler answer when the request's turn has come.
func (l *limits) answer(request *http.Request, text []byte) (*answer, error) {
	wait := l.clock.NewTimer(requestTime)
	defer wait.Stop()
	select {
	case l.turns <- struct{}{}:
		defer func() { <-l.turns }()
	case <-wait.C():
		return nil, errBusy
	case <-request.Context().Done():
		return nil, errBusy // nobody is there to read it
	}
	if len(text) > 0 {
		request.Body = io.NopCloser(bytes.NewReader(text))
	}
	written := &answer{header: http.Header{}, code: http.StatusOK}
	l.next.ServeHTTP(written, request)
	return written, nil
}

// Why a request is not answered.
var (
	errBusy  = errors.New("there are too many requests at once")
	errLarge = errors.New("the request is larger than that of any Bundle")
	errForm  = errors.New("the request is not a JSON object")
)

// refuse tells that a request is not answered. Where that will pass, API servers try
// again by themselves.
func refuse(response http.ResponseWriter, cause error) {
	code := http.StatusBadRequest
	switch {
	case errors.Is(cause, errBusy):
		response.Header().Set("Retry-After", "1")
		code = http.StatusTooManyRequests
	case errors.Is(cause, errLarge):
		code = http.StatusRequestEntityTooLarge
	}
	http.Error(response, cause.Error(), code)
}

// answer is an answer that is yet to be sent.
type answer struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(code int) { a.code = code }

// Write implements http.ResponseWriter.
func (a *answer) Write(text []byte) (int, error) { return a.body.Write(text) }

func (a *answer) send(response http.ResponseWriter) {
	for name, values := range a.header {
		response.Header()[name] = values
	}
	response.WriteHeader(a.code)
	_, _ = response.Write(a.body.Bytes()) // the client may have gone
}
