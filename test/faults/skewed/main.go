// Command skewed is the operator as cmd/trust-manager is, but with a clock that is
// ten years ahead. The tests run it in the operator's place, so that nobody has to
// change the machine's clock.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/utils/clock"

	"trust-manager.io/internal/app"
)

// ahead is ten years: longer than the tests' certificates last, but for those that
// they make to last longer.
const ahead = 10 * 365 * 24 * time.Hour

// skewed is the machine's clock but for the date.
type skewed struct{ clock.RealClock }

func (skewed) Now() time.Time { return time.Now().Add(ahead) }

func (s skewed) Since(t time.Time) time.Duration { return s.Now().Sub(t) }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := app.Command(skewed{}).ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "skewed:", err)
		os.Exit(1)
	}
}
