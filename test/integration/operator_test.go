package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"trust-manager.io/internal/capackage"
	"trust-manager.io/test/framework/rig"
)

// shownLog is how many lines of the operator's log a failed test shows.
const shownLog = 80

// shared is the operator that parallel tests use: with a default CA package and Secret
// targets, and otherwise with the defaults.
var shared sharedOperator

type sharedOperator struct {
	mu      sync.Mutex
	running *rig.Operator
	// folder holds the default CA package.
	folder string
}

// defaultCA is the one certificate of the shared operator's default CA package.
var defaultCA = newAuthority("Default CA")

// operator starts the shared operator unless it runs.
func operator(t *testing.T) {
	t.Helper()
	if err := shared.start(); err != nil {
		t.Fatal(err)
	}
}

func (s *sharedOperator) start() (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		return nil
	}
	if s.folder == "" {
		if s.folder, err = os.MkdirTemp("", "trust-manager-package-"); err != nil {
			return err
		}
		if err := writePackage(s.packagePath(), "shared", "1", defaultCA); err != nil {
			return err
		}
	}
	s.running, err = env.StartOperator("--default-package-location", s.packagePath(), "--secret-targets-enabled")
	return err
}

func (s *sharedOperator) packagePath() string { return filepath.Join(s.folder, "package.json") }

// stop stops the shared operator if it runs. An error contains the end of its log.
func (s *sharedOperator) stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		return nil
	}
	running := s.running
	s.running = nil
	if err := running.Stop(); err != nil {
		return fmt.Errorf("%w; the end of its log:\n%s", err, lastLines(running.Log()))
	}
	return nil
}

// logAbout returns what the shared operator logged about a scene.
func (s *sharedOperator) logAbout(scene string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		return ""
	}
	var about strings.Builder
	for line := range strings.Lines(s.running.Log()) {
		if strings.Contains(line, scene) {
			about.WriteString(line)
		}
	}
	return lastLines(about.String())
}

// noOperator stops the shared operator, for tests that run their own.
func noOperator(t *testing.T) {
	t.Helper()
	if err := shared.stop(); err != nil {
		t.Error(err)
	}
}

// startOperator runs an operator for this test, in place of the shared one, until the test
// stops it or ends.
func startOperator(t *testing.T, flags ...string) *rig.Operator {
	t.Helper()
	noOperator(t)
	return addOperator(t, flags...)
}

// startListingOperator is startOperator for an operator that behaves as with an API server
// that cannot stream lists.
func startListingOperator(t *testing.T, flags ...string) *rig.Operator {
	t.Helper()
	noOperator(t)
	return untilEnd(t, env.StartListingOperator, flags)
}

// addOperator runs another operator, until the test stops it or ends.
func addOperator(t *testing.T, flags ...string) *rig.Operator {
	t.Helper()
	return untilEnd(t, env.StartOperator, flags)
}

func untilEnd(t *testing.T, start func(...string) (*rig.Operator, error), flags []string) *rig.Operator {
	t.Helper()
	o, err := start(flags...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !o.Ended() {
			stop(t, o)
		}
	})
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of the operator's log:\n%s", lastLines(o.Log()))
		}
	})
	return o
}

// stop ends an operator as Kubernetes does (R4).
func stop(t *testing.T, o *rig.Operator) {
	t.Helper()
	if err := o.Stop(); err != nil {
		t.Error(err)
	}
}

func lastLines(log string) string {
	lines := strings.Split(strings.TrimSpace(log), "\n")
	return strings.Join(lines[max(0, len(lines)-shownLog):], "\n")
}

// writePackage writes a default CA package atomically.
func writePackage(path, name, version string, content ...authority) error {
	encoded, err := capackage.Encode(capackage.Package{Name: name, Version: version, Bundle: pemOf(content...)})
	if err != nil {
		return err
	}
	fresh := path + ".new"
	if err := os.WriteFile(fresh, encoded, 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}
