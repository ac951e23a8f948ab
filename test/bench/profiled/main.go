// Command profiled is the operator as cmd/trust-manager is, but one that takes
// profiles of itself: the benchmark runs it in the operator's place where it is
// asked for profiles, so that the product needs no port for them.
//
// It writes to the folder in the variable BENCH_PROFILES: cpu.pprof, the processor
// time of its whole life; and, from the moment before it stops, heap.pprof, what is
// in use, and allocs.pprof, all that was ever allocated. An operator that is
// started later writes over them.
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

// sampled is of how many allocated bytes one is looked at: more of them than by
// default, since a target takes few.
const sampled = 16 << 10

func main() {
	runtime.MemProfileRate = sampled
	stopped, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := profiled(stopped, os.Getenv("BENCH_PROFILES")); err != nil {
		fmt.Fprintln(os.Stderr, "profiled:", err)
		os.Exit(1) //nolint:gocritic // the process ends, and its signals with it
	}
}

// profiled runs the operator and writes profiles of it into a folder.
func profiled(stopped context.Context, dir string) error {
	cpu, err := os.Create(filepath.Join(dir, "cpu.pprof"))
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return err
	}
	// What is in use is seen before the operator stops and lets go of it.
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
