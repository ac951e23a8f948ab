package faults

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/model"
	"trust-manager.io/test/framework/poll"
)

// looking is longer than the operator takes to verify all targets after its start.
const looking = 4 * time.Second

// ahead is ten years: longer than the lifetime of the tests' certificates, except those
// of [longLife].
const ahead = 10 * 365 * 24 * time.Hour

// skewClock runs an operator whose clock is ten years ahead. Without the filter of
// expired certificates that changes nothing. With it, certificates that are expired by
// that clock are dropped, and a bundle that would be empty stays unchanged (S9, S12).
func (w *world) skewClock(sizes) error {
	if *operator != "" {
		return nil // it uses the machine's clock
	}
	dir := w.t.TempDir()
	program, hands := filepath.Join(dir, "fakeclock"), filepath.Join(dir, "ahead")
	build := exec.CommandContext(w.ctx, "go", "build", "-o", program, "trust-manager.io/test/framework/fakeclock")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the operator with another clock: %w\n%s", err, output)
	}
	if err := os.WriteFile(hands, []byte(ahead.String()), 0o600); err != nil {
		return err
	}
	w.t.Setenv("CLOCK", hands)
	b := w.bundles[0]
	lasting := []string{ca.New(b.name, ca.ValidFor(longLife)).Certificate, ca.New(b.name, ca.ValidFor(longLife)).Certificate}
	mixed := []string{lasting[0], ca.New(b.name).Certificate, lasting[1]}
	if _, err := w.change(b, 0, mixed); err != nil {
		return err
	}
	if err := poll.UntilWithin(w.ctx, convergence, "the bundle of which a part expires", w.compare); err != nil {
		return err
	}
	w.fleet.stop()
	usual := env.UseOperator(program)
	defer env.UseOperator(usual)
	if err := w.ignoreClock(); err != nil {
		return err
	}
	if err := w.filterByClock(); err != nil {
		return err
	}
	w.report.count("clock ten years ahead")

	// With the usual clock all certificates are desired again.
	w.fleet.stop()
	env.UseOperator(usual)
	return w.runWithFilter(time.Time{})
}

// ignoreClock checks that without the filter nothing is written after the start, except
// statuses that the previous operator had no time to write.
func (w *world) ignoreClock() error {
	mark := env.Audit.Mark()
	if err := w.fleet.run(1); err != nil {
		return err
	}
	time.Sleep(looking)
	all, err := env.Audit.Since(mark)
	if err != nil {
		return err
	}
	for _, q := range all {
		if q.IsWrite() && q.Resource != "events" && !strings.HasSuffix(q.Resource, "bundles/status") {
			w.judge.violations.add(exact, "with a clock ten years ahead, and all in sync, the operator wrote %s", q)
		}
	}
	return nil
}

// filterByClock checks the filter under that clock.
func (w *world) filterByClock() error {
	w.fleet.stop()
	if err := w.runWithFilter(time.Now().Add(ahead), "--filter-expired-certificates"); err != nil {
		return err
	}
	err := poll.UntilWithin(w.ctx, convergence, "the expired certificates to leave", w.compare)
	if err != nil {
		w.judge.violations.add(converges, "with a clock ten years ahead: %v", err)
	}
	return err
}

// runWithFilter runs one operator with these flags. Unless expiredAt is zero, the model
// filters the certificates that have expired by then.
func (w *world) runWithFilter(expiredAt time.Time, flags ...string) error {
	made := w.history.Update(time.Now(), func(m *model.World) { m.ExpiredAt = expiredAt })
	err := w.fleet.run(1, flags...)
	made(time.Now())
	return err
}
