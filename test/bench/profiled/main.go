// Command profiled is the operator as cmd/trust-manager is, but one that takes
// profiles of itself: the benchmark runs it in the operator's place where it is
// asked for profiles, so that the product needs no port for them.
//
// It writes to the folder in the variable BENCH_PROFILES, when it ends: cpu.pprof,
// the processor time of its whole life; heap.pprof, what is in use at the end;
// allocs.pprof, all that was ever allocated. An operator that is started later
// writes over them.
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

	"trust-manager.io/internal/app"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := profiled(os.Getenv("BENCH_PROFILES"), func() error { return app.Command().ExecuteContext(ctx) })
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "profiled:", err)
		os.Exit(1)
	}
}

// profiled runs the operator and writes profiles of it into a folder.
func profiled(dir string, run func() error) error {
	cpu, err := os.Create(filepath.Join(dir, "cpu.pprof"))
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return err
	}
	ran := run()
	pprof.StopCPUProfile()
	runtime.GC() // so that the profile of the heap is of what is in use now
	return errors.Join(ran, cpu.Close(), write(dir, "heap"), write(dir, "allocs"))
}

func write(dir, profile string) error {
	file, err := os.Create(filepath.Join(dir, profile+".pprof"))
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup(profile).WriteTo(file, 0), file.Close())
}
