package poll

import (
	"context"
	"fmt"
	"testing"
	"time"
)

const (
	// interval is the time between two checks.
	interval = 20 * time.Millisecond
	// patience is many times the duration of the slowest operation on a busy machine.
	patience = 30 * time.Second
)

// Until calls check until it returns nil. After 30 seconds, or when ctx ends, it returns
// an error that contains the last one of check.
func Until(ctx context.Context, what string, check func() error) error {
	return UntilWithin(ctx, patience, what, check)
}

// UntilWithin is like [Until] with the given limit.
func UntilWithin(ctx context.Context, limit time.Duration, what string, check func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	start := time.Now()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("timed out after %s waiting for %s: %w", time.Since(start).Round(time.Second), what, err)
		case <-time.After(interval):
		}
	}
}

// Eventually calls check until it returns nil, and fails the test after 30 seconds.
func Eventually(tb testing.TB, what string, check func() error) {
	tb.Helper()
	EventuallyWithin(tb, patience, what, check)
}

// EventuallyWithin is like [Eventually] with the given limit.
func EventuallyWithin(tb testing.TB, limit time.Duration, what string, check func() error) {
	tb.Helper()
	if err := UntilWithin(tb.Context(), limit, what, check); err != nil {
		tb.Fatal(err)
	}
}
