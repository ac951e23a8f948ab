package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// attributes returns the attributes of a new process. A tied process receives
// SIGKILL when the thread that starts it ends, so that thread must be a permanent
// one.
func attributes(tied bool) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: true}
	if tied {
		attr.Pdeathsig = syscall.SIGKILL
	}
	return attr
}

// inspect returns the start time of a process, as the boot ID and clock ticks
// since boot, and reports whether it has ended but not been reaped.
func inspect(pid int) (started string, ended bool, err error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", false, err
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", false, err
	}
	// proc_pid_stat(5): field 2 is the name in parentheses, which can contain any
	// character; field 3 is the state, 20 the number of threads, 22 the start time.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 20 {
		return "", false, fmt.Errorf("/proc/%d/stat has too few fields", pid)
	}
	state, threads, ticks := fields[0], fields[17], fields[19]
	// The first thread may be a zombie while other threads still hold the ports.
	ended = (state == "Z" || state == "X") && (threads == "1" || threads == "0")
	return strings.TrimSpace(string(boot)) + " " + ticks, ended, nil
}
