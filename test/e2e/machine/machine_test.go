package machine

import (
	"os"
	"testing"

	"trust-manager.io/test/framework/suite"
)

// A cluster whose command is killed leaves containers, mounts, a bridge and more
// behind. `cluster down` finds them by the folder alone, and removes them all.
func TestDownClearsUpAfterACrash(t *testing.T) {
	suite.RequireFor(t, "e2e", suite.Requested("TEST_E2E"))
	m, err := Start(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := m.Stop(); err != nil {
			t.Error(err)
		}
	}()
	// The pause image of every pod is always loaded.
	for _, args := range [][]string{
		{"run", "lasting", "--image=trust-manager.io/test/pause:1", "--image-pull-policy=Never"},
		{"wait", "--for=condition=Ready", "pod/lasting", "--timeout=60s"},
	} {
		if _, err := m.Kubectl(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Crash(); err != nil {
		t.Fatal(err)
	}
	if left := m.Left(); len(left) == 0 {
		t.Error("nothing was left after the crash: then this test proves nothing")
	}
	if err := m.Down(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, line := range m.Left() {
		t.Errorf("left after cluster down: %s", line)
	}
}
