package rig

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"time"
)

// errHarm ends an answer that the API server has given.
var errHarm = errors.New("the rig has cut the answer")

// The bounds of what is done to watches.
const (
	// watchCutAfter is how long a watch lasts that is cut.
	watchCutAfter = 3 * time.Second
	// watchDelay is how long nothing comes from a watch that is delayed.
	watchDelay = 2 * time.Second
	// mostBytes is after how many bytes an answer is cut, if that is in its middle.
	mostBytes = 3000
)

// harm is what is done to an answer of the API server, nothing by default.
type harm struct {
	fault  Fault
	number uint64
}

type harmKey struct{}

// withHarm has doHarm find what to do to the answer.
func withHarm(request *http.Request, fault Fault, number uint64) *http.Request {
	if fault == "" {
		return request
	}
	return request.WithContext(context.WithValue(request.Context(), harmKey{}, harm{fault, number}))
}

// doHarm does to an answer what was chosen for its request. An error has nothing of
// the answer go on.
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

// halfClose closes the connection of the caller half, after half the answer, or after
// some time where nobody knows how long that gets.
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

// cutWatch has a watch end within an event, or after some time: with an error, or as
// if it had come to its end.
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

// ended takes each error for the end.
type ended struct{ io.ReadCloser }

func (e ended) Read(into []byte) (int, error) {
	n, err := e.ReadCloser.Read(into)
	if err != nil {
		err = io.EOF
	}
	return n, err
}

// middle gives where to cut an answer that is so long, or -1 for one of unknown
// length.
func (h harm) middle(length int64) int64 {
	if length <= 0 {
		length = mostBytes
	}
	return int64(h.number>>1) % length
}

// shortened ends with an error after some bytes.
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

// delayed holds back what it reads every now and then. It never adds more than one
// pause to what comes meanwhile: nothing has to wait longer than that.
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
