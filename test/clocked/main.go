// Command clocked is the operator as cmd/trust-manager is, but with a clock that a test
// puts forward while it runs: by what stands in the file that CLOCK names, a duration
// such as "72h".
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"k8s.io/utils/clock"

	"trust-manager.io/internal/app"
)

// forward is the machine's clock, put forward.
type forward struct {
	clock.RealClock
	file string
}

func (f forward) Now() time.Time {
	text, err := os.ReadFile(f.file)
	if err != nil {
		return time.Now()
	}
	ahead, _ := time.ParseDuration(strings.TrimSpace(string(text))) // half a file is 0, for a moment
	return time.Now().Add(ahead)
}

func (f forward) Since(t time.Time) time.Duration { return f.Now().Sub(t) }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := app.Command(forward{file: os.Getenv("CLOCK")}).ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "clocked:", err)
		os.Exit(1)
	}
}
