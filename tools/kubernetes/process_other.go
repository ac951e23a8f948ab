//go:build unix && !linux

package main

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// attributes are those of a new process. Only Linux can tie its life to ours.
func attributes(bool) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true}
}

// inspect tells when a process was started, to the second, and whether it has
// ended and only waits for its parent to notice.
func inspect(pid int) (started string, ended bool, err error) {
	out, err := exec.Command("ps", "-o", "stat=,lstart=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return "", false, fmt.Errorf("no process %d: %w", pid, err)
	}
	state, start, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	return strings.TrimSpace(start), strings.HasPrefix(state, "Z"), nil
}
