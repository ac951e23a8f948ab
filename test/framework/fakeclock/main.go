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

// offsetClock is the machine's clock plus the duration in a file.
type offsetClock struct {
	clock.RealClock
	file string
}

// Now returns the time plus the offset; a missing or incomplete file means no offset.
func (c offsetClock) Now() time.Time {
	text, err := os.ReadFile(c.file)
	if err != nil {
		return time.Now()
	}
	offset, _ := time.ParseDuration(strings.TrimSpace(string(text)))
	return time.Now().Add(offset)
}

// Since returns the time elapsed since t, including the offset.
func (c offsetClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := app.Command(offsetClock{file: os.Getenv("CLOCK")}).ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "fakeclock:", err)
		os.Exit(1)
	}
}
