package rig

import (
	"context"
	"fmt"
	"time"
)

// pause is how long Await waits between two looks.
const pause = 20 * time.Millisecond

// patience bounds Await: many times what anything here takes on an idle machine,
// and what the slowest thing takes on a busy one.
const patience = 30 * time.Second

// Await looks again and again until check finds nothing to complain of. After 30
// seconds, or at the end of ctx, it returns an error with what check said last.
func Await(ctx context.Context, what string, check func() error) error {
	return AwaitWithin(ctx, patience, what, check)
}

// AwaitWithin is Await for what may take longer.
func AwaitWithin(ctx context.Context, limit time.Duration, what string, check func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	began := time.Now()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited %s in vain for %s; last seen: %w", time.Since(began).Round(time.Second), what, err)
		case <-time.After(pause):
		}
	}
}
