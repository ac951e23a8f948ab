package webhook

import (
	"net/http"
	"time"

	"k8s.io/utils/clock"
)

// What a client can take of the operator, beyond what the libraries bound: 7 MiB
// of body, 1 MiB and 32 s of headers, 90 s without a request. The API server needs
// milliseconds, and the operator shares its memory with all clients.
const (
	// maxRequests is how many requests are read and answered at the same time.
	maxRequests = 16
	// requestTime bounds reading one, and the wait for its turn.
	requestTime = 5 * time.Second
)

// limited bounds the requests to a handler, in number and in time.
func limited(next http.Handler, clock clock.WithTicker) http.Handler {
	turns := make(chan struct{}, maxRequests)
	return http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		wait := clock.NewTimer(requestTime)
		defer wait.Stop()
		select {
		case turns <- struct{}{}:
			defer func() { <-turns }()
		case <-wait.C():
			http.Error(response, "there are too many requests at once", http.StatusTooManyRequests)
			return
		}
		// Only a connection that is none, as in tests, knows no deadlines.
		control, deadline := http.NewResponseController(response), clock.Now().Add(requestTime)
		_ = control.SetReadDeadline(deadline)
		_ = control.SetWriteDeadline(deadline.Add(requestTime))
		next.ServeHTTP(response, request)
	})
}
