package webhook

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
)

// The number of concurrent requests is limited. Further ones wait for a free slot, but not
// forever.
func TestRequestsTakeTurns(t *testing.T) {
	t.Parallel()
	fake := clocktesting.NewFakeClock(now)
	entered, leave := make(chan struct{}), make(chan struct{})
	handler := limit(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		entered <- struct{}{}
		<-leave
	}), fake)
	codes := make(chan int, maxConcurrent+2)
	send := func() {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, bundlePath, nil))
		codes <- recorder.Code
	}
	for range maxConcurrent {
		go send()
	}
	for range maxConcurrent {
		<-entered
	}
	waiters := fake.Waiters()
	go send()
	for fake.Waiters() == waiters {
		time.Sleep(time.Millisecond)
	}
	fake.Step(requestTime)
	if code := <-codes; code != http.StatusTooManyRequests {
		t.Errorf("a request that waited too long: status %d, want %d", code, http.StatusTooManyRequests)
	}
	go send()
	leave <- struct{}{}
	<-entered // the next one takes the slot
	close(leave)
	for range maxConcurrent + 1 {
		if code := <-codes; code != http.StatusOK {
			t.Errorf("a request with a slot: status %d", code)
		}
	}
}

// A body that does not arrive ends the request, while others are served.
func TestSlowBodies(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(limit(http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		if _, err := io.ReadAll(request.Body); err != nil {
			http.Error(response, "the body does not arrive", http.StatusBadRequest)
		}
	}), hurried{}))
	defer server.Close()
	body, stop := io.Pipe()
	defer stop.Close() //nolint:errcheck // ends the client's side
	var clients sync.WaitGroup
	clients.Go(func() {
		began := time.Now()
		response, err := http.Post(server.URL, "application/json", body)
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode != http.StatusBadRequest {
				t.Errorf("got %s", response.Status)
			}
		}
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("the request took %s", took)
		}
	})
	response, err := http.Post(server.URL, "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("another request: status %s", response.Status)
	}
	clients.Wait()
}

// hurried is a clock that makes a request time out after half a second.
type hurried struct{ clock.RealClock }

func (hurried) Now() time.Time { return time.Now().Add(500*time.Millisecond - requestTime) }
