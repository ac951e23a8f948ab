package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// profile makes all operators that are started later write profiles.
func (s *stage) profile(ctx context.Context, folder string) error {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return err
	}
	program := filepath.Join(s.dir, "profiled")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "trust-manager.io/test/bench/profiled")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the profiled operator: %w\n%s", err, output)
	}
	s.rig.UseOperator(program)
	return os.Setenv("BENCH_PROFILES", folder)
}
