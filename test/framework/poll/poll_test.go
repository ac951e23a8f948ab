package poll

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Until ends when check succeeds, at the limit, or with the context.
func TestUntil(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start, checks := time.Now(), 0
		err := Until(t.Context(), "the third check", func() error {
			if checks++; checks < 3 {
				return errors.New("not yet")
			}
			return nil
		})
		if took := time.Since(start); err != nil || took != 2*interval {
			t.Errorf("%v after %s", err, took)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		failure := errors.New("unreachable")
		for limit, ctx := range map[time.Duration]context.Context{patience: t.Context(), 0: ended} {
			start = time.Now()
			err = Until(ctx, "the server", func() error { return failure })
			if took := time.Since(start); !errors.Is(err, failure) || !strings.Contains(err.Error(), "the server") || took != limit {
				t.Errorf("%v after %s, want a failure after %s", err, took, limit)
			}
		}
	})
}
