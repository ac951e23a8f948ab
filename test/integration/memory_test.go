package integration

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"trust-manager.io/test/framework/rig"
)

// residentMemory returns the operator's resident memory, in bytes.
func residentMemory(t *testing.T, o *rig.Operator) int { return memoryOf(t, o, "VmRSS:") }

// wantMemory returns by how much the operator's memory has grown at most since before,
// and fails the test if that exceeds the limit for clients.
func wantMemory(t *testing.T, o *rig.Operator, before int) int {
	t.Helper()
	grown := memoryOf(t, o, "VmHWM:") - before
	if grown > memoryLimit {
		t.Errorf("memory grew by %d MiB, want at most %d", grown>>20, memoryLimit>>20)
	}
	return grown
}

// memoryOf reads a value of the kernel's process status, on Linux only.
func memoryOf(t *testing.T, o *rig.Operator, name string) int {
	t.Helper()
	if runtime.GOOS != "linux" {
		return 0
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", o.PID()))
	if err != nil {
		t.Fatal(err)
	}
	_, value, _ := strings.Cut(string(status), name)
	var kilobytes int
	if _, err := fmt.Sscan(value, &kilobytes); err != nil {
		t.Fatalf("%s in the status of the process: %v", name, err)
	}
	return kilobytes << 10
}
