package rig

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"time"
)

// errHarm ends a response of the API server.
var errHarm = errors.New("response cut by the rig")

// The bounds of faults in watches and responses.
const (
	// watchCutAfter is how long a watch with CutWatch lasts.
	watchCutAfter = 3 * time.Second
	// watchDelay is how long a watch with DelayedWatch delivers nothing.
	watchDelay = 2 * time.Second
	// mostBytes is the largest number of bytes after which a response is cut.
	mostBytes = 3000
)

// harm is a fault in a response of the API server. The zero value is none.
type harm struct {
	fault  Fault
	number uint64
}

type harmKey struct{}

// withHarm stores harm in the context of a request, for doHarm.
func withHarm(request *http.Request, fault Fault, number uint64) *http.Request {
	if fault == "" {
		return request
	}
	return request.WithContext(context.WithValue(request.Context(), harmKey{}, harm{fault, number}))
}

// doHarm injects into a response the fault that was chosen for its request. After an
// error, none of the response is forwarded.
func doHarm(response *http.Response) error {
	h, _ := response.Request.Context().Value(harmKey{}).(harm)
	share := func(of time.Duration) time.Duration { return time.Duration(h.number % uint64(of)) }
	switch h.fault {
	case LostAnswer:
		return errHarm
	case CutAnswer:
		response.Body = &shortened{response.Body, h.middle(response.ContentLength)}
	case HalfClosed:
		h.halfClose(response, share(watchCutAfter))
	case CutWatch:
		response.Body = h.cutWatch(response.Body, share(watchCutAfter))
	case DelayedWatch:
		response.Body = &delayed{ReadCloser: response.Body, pause: share(watchDelay)}
	default:
	}
	return nil
}

// halfClose half-closes the caller's connection after half of the response, or after some
// time if its length is unknown.
func (h harm) halfClose(response *http.Response, after time.Duration) {
	client := halfOf(response)
	body := &halved{response.Body, response.ContentLength / 2, client, response.Request.Context()}
	if response.ContentLength < 0 {
		body.left = math.MaxInt64
		time.AfterFunc(after, client.closeWrite)
		time.AfterFunc(after+halfTime, func() { _ = response.Body.Close() })
	}
	response.Body = body
}

// cutWatch ends a watch in the middle of an event or after some time, with an error or
// without.
func (h harm) cutWatch(body io.ReadCloser, after time.Duration) io.ReadCloser {
	if h.number%3 == 0 {
		return &shortened{body, h.middle(-1)}
	}
	time.AfterFunc(after, func() { _ = body.Close() })
	if h.number%3 == 1 {
		return body
	}
	return ended{body}
}

// ended reports every error as io.EOF.
type ended struct{ io.ReadCloser }

func (e ended) Read(into []byte) (int, error) {
	n, err := e.ReadCloser.Read(into)
	if err != nil {
		err = io.EOF
	}
	return n, err
}

// middle returns after how many bytes to cut a response of this length, or -1 if the
// length is unknown.
func (h harm) middle(length int64) int64 {
	if length <= 0 {
		length = mostBytes
	}
	return int64(h.number>>1) % length
}

// shortened fails after some bytes.
type shortened struct {
	io.ReadCloser
	left int64
}

func (s *shortened) Read(into []byte) (int, error) {
	if s.left <= 0 {
		return 0, errHarm
	}
	n, err := s.ReadCloser.Read(into[:min(int64(len(into)), s.left)])
	s.left -= int64(n)
	return n, err
}

// delayed pauses between reads. No event is delayed by more than one pause.
type delayed struct {
	io.ReadCloser
	pause time.Duration
	next  time.Time
}

func (d *delayed) Read(into []byte) (int, error) {
	n, err := d.ReadCloser.Read(into)
	if now := time.Now(); now.After(d.next) {
		time.Sleep(d.pause)
		d.next = now.Add(2 * d.pause)
	}
	return n, err
}
