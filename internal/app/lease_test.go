package app

import (
	"context"
	"errors"
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
)

// R6: a manager that loses the Lease is followed by another once the API server answers.
// Any other error ends the process, unless the API server is away again.
func TestRunUntilStopped(t *testing.T) {
	t.Parallel()
	lost, other := errors.New(leaseLost), errors.New("a port is in use")
	for name, tc := range map[string]struct {
		results []error
		answers []bool
		want    error
	}{
		"stopped":                     {[]error{nil}, nil, nil},
		"an error":                    {[]error{other}, nil, other},
		"the Lease is lost":           {[]error{lost, nil}, []bool{true}, nil},
		"lost twice":                  {[]error{lost, lost, nil}, []bool{true, true}, nil},
		"the API server is away":      {[]error{lost, nil}, []bool{false, true}, nil},
		"an error after the Lease":    {[]error{lost, other}, []bool{true, true}, other},
		"it cannot start, away again": {[]error{lost, other, nil}, []bool{true, false, true}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			results, answers := tc.results, tc.answers
			err := runUntilStopped(t.Context(), logr.Discard(), func(context.Context) bool {
				answer := answers[0]
				answers = answers[1:]
				return answer
			}, func(context.Context) error {
				result := results[0]
				results = results[1:]
				return result
			})
			if !errors.Is(err, tc.want) || len(results) > 0 || len(answers) > 0 {
				t.Errorf("error %v, want %v; left: %v and %v", err, tc.want, results, answers)
			}
		})
	}
}

// R6, R4: a stop while the API server is away ends the process without an error.
func TestStopWithoutAPIServer(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := runUntilStopped(ctx, logr.Discard(), func(context.Context) bool {
		cancel()
		return false
	}, func(context.Context) error { return errors.New(leaseLost) })
	if err != nil {
		t.Errorf("error %v", err)
	}
}

// Metrics of one manager can be registered again by the next.
func TestRegistrations(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	for range 2 {
		r := &registrations{Registerer: registry}
		if err := r.Register(prometheus.NewCounter(prometheus.CounterOpts{Name: "one"})); err != nil {
			t.Fatal(err)
		}
		r.remove()
	}
}
