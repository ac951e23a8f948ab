package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// attributes are those of a new process. One that is tied gets SIGKILL when the
// thread that starts it ends, so that must be a thread that lasts.
func attributes(tied bool) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: true}
	if tied {
		attr.Pdeathsig = syscall.SIGKILL
	}
	return attr
}

// inspect tells when a process was started, in clock ticks of the named boot,
// and whether it has ended and only waits for its parent to notice.
func inspect(pid int) (started string, ended bool, err error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", false, err
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", false, err
	}
	// proc_pid_stat(5): field 2 is the name in brackets and may hold anything;
	// 3 is the state, 20 the number of threads, 22 the start time.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 20 {
		return "", false, fmt.Errorf("/proc/%d/stat has too few fields", pid)
	}
	state, threads, ticks := fields[0], fields[17], fields[19]
	// The first thread may be a zombie while others still hold the ports.
	ended = (state == "Z" || state == "X") && (threads == "1" || threads == "0")
	return strings.TrimSpace(string(boot)) + " " + ticks, ended, nil
}
