package faults

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"trust-manager.io/test/framework/rig"
)

// resident returns the resident memory of a process, in bytes, on systems with /proc.
func resident(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, fmt.Errorf("/proc/%d/statm has too few fields: %q", pid, text)
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// look samples the memory of one operator until it ends.
func (f *fleet) look(o *rig.Operator) {
	told := false
	for !o.Ended() {
		if bytes, err := resident(o.PID()); err == nil {
			f.mu.Lock()
			f.peak = max(f.peak, bytes)
			f.mu.Unlock()
			if bytes > mostMemory && !told {
				f.violations.add(bounded, "an operator takes %d MiB, and should not take more than %d", bytes>>20, mostMemory>>20)
				told = true
			}
		}
		select {
		case <-o.Done():
		case <-time.After(sampling):
		}
	}
}

// resident returns the memory of the first operator, in bytes, or 0 if it has just ended.
func (f *fleet) resident() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.replicas) == 0 || f.replicas[0] == nil || f.replicas[0].Ended() {
		return 0
	}
	bytes, err := resident(f.replicas[0].PID())
	if err != nil {
		return 0
	}
	return bytes
}
