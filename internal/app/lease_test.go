package app

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
)

// R6: a manager that loses the Lease is followed by another once the API server answers.
// Any other error ends the process, unless the API server is away again.
func TestRunUntilStopped(t *testing.T) {
	t.Parallel()
	lost, other := errors.New(leaseLost), errors.New("a port is in use")
	late := errors.New("a watch cannot be set up") // a manager that has run for an hour
	yes := func(n int) []bool { return slices.Repeat([]bool{true}, n) }
	for name, tc := range map[string]struct {
		results []error
		answers []bool
		want    error
	}{
		"stopped":                   {[]error{nil}, nil, nil},
		"an error":                  {[]error{other}, nil, other},
		"the Lease is lost":         {[]error{lost, nil}, yes(1), nil},
		"lost twice":                {[]error{lost, lost, nil}, yes(2), nil},
		"the API server is away":    {[]error{lost, nil}, []bool{false, true}, nil},
		"it cannot start at once":   {[]error{lost, other, other, nil}, yes(3), nil},
		"it can never start":        {slices.Concat([]error{lost}, slices.Repeat([]error{other}, maxStarts+1)), yes(maxStarts + 2), other},
		"starts count anew":         {slices.Concat([]error{lost}, slices.Repeat([]error{other}, maxStarts), []error{lost, other, nil}), yes(maxStarts + 3), nil},
		"an error much later":       {[]error{lost, late}, yes(2), late},
		"an error, and away again":  {[]error{lost, late, nil}, []bool{true, false, true}, nil},
		"an error, but still there": {[]error{lost, other, late}, yes(3), late},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				results, answers := tc.results, tc.answers
				err := runUntilStopped(t.Context(), logr.Discard(), clock.RealClock{}, func(context.Context) error {
					answer := answers[0]
					if answers = answers[1:]; !answer {
						return errors.New("connection refused")
					}
					return nil
				}, func(context.Context) error {
					result := results[0]
					results = results[1:]
					if errors.Is(result, late) {
						time.Sleep(time.Hour)
					}
					return result
				})
				if !errors.Is(err, tc.want) || len(results) > 0 || len(answers) > 0 {
					t.Errorf("error %v, want %v; left: %v and %v", err, tc.want, results, answers)
				}
			})
		})
	}
}

// R6, R4: a stop while the API server is away ends the process without an error.
func TestStopWithoutAPIServer(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := runUntilStopped(ctx, logr.Discard(), clock.RealClock{}, func(context.Context) error {
		cancel()
		return errors.New("connection refused")
	}, func(context.Context) error { return errors.New(leaseLost) })
	if err != nil {
		t.Errorf("error %v", err)
	}
}

// R2: only the requests about the Lease have their short timeout. A watch would end with it.
func TestLeaseLeavesTheConfiguration(t *testing.T) {
	t.Parallel()
	config := &rest.Config{Host: "https://127.0.0.1:1", UserAgent: "trust-manager"}
	before := rest.CopyConfig(config)
	_, stop, err := (&options{renewDeadline: 10 * time.Second}).lease(config, "a")
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if config.Timeout != before.Timeout || config.UserAgent != before.UserAgent {
		t.Errorf("timeout %s, user agent %q", config.Timeout, config.UserAgent)
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
