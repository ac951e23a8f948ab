// Command profiled is the operator, like cmd/trust-manager, and also writes
// profiles of itself. The benchmark runs it instead of the operator when profiles
// are requested, so that the product does not need a port for them.
//
// It writes to the directory in the environment variable BENCH_PROFILES:
// cpu.pprof for its whole lifetime and, just before it stops, heap.pprof with the
// memory in use and allocs.pprof with all allocations. An operator that is
// started later overwrites them.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"syscall"

	"k8s.io/utils/clock"

	"trust-manager.io/internal/app"
)

// sampled is the memory profile rate in bytes. It is smaller than the default,
// since a target allocates little.
const sampled = 16 << 10

func main() {
	runtime.MemProfileRate = sampled
	stopped, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := profiled(stopped, os.Getenv("BENCH_PROFILES")); err != nil {
		fmt.Fprintln(os.Stderr, "profiled:", err)
		os.Exit(1) //nolint:gocritic // the end of the process ends signal handling too
	}
}

// profiled runs the operator and writes its profiles to a directory.
func profiled(stopped context.Context, dir string) error {
	cpu, err := os.Create(filepath.Join(dir, "cpu.pprof"))
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return err
	}
	// The heap profile is taken before the operator stops and releases its memory.
	ctx, cancel := context.WithCancel(context.Background())
	written := make(chan error, 1)
	go func() {
		defer cancel()
		<-stopped.Done()
		runtime.GC()
		written <- errors.Join(write(dir, "heap"), write(dir, "allocs"))
	}()
	if err := app.Command(clock.RealClock{}).ExecuteContext(ctx); err != nil {
		return err
	}
	pprof.StopCPUProfile()
	return errors.Join(cpu.Close(), <-written)
}

func write(dir, profile string) error {
	file, err := os.Create(filepath.Join(dir, profile+".pprof"))
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup(profile).WriteTo(file, 0), file.Close())
}
