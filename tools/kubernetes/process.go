package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// grace is how long a process may take to end after SIGTERM. One second is enough
// while no client is connected. With an open watch the API server would take a
// minute and etcd nine seconds, and neither loses data on SIGKILL.
const grace = 3 * time.Second

// process is one process of a control plane: how to start it, and its identity
// while it runs.
type process struct {
	Name string
	Path string
	Args []string
	// Dir is the working directory, to which paths in Args are relative.
	Dir string
	// Log is the file to which the output is appended.
	Log string
	// Probes are URLs that all return status 200 once the process is ready.
	Probes []string
	identity
}

// identity identifies one running process. A process ID is not sufficient, since
// it is reused after the process has ended.
type identity struct {
	PID int
	// Started is the start time of the process in a platform-specific format.
	Started string
}

// start starts the process in its own session, so that closing the terminal or an
// interrupt typed there does not reach it. If tied, the process is killed when
// the calling thread ends (on Linux only).
func (p *process) start(tied bool) (*exec.Cmd, error) {
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the log of %s: %w", p.Name, err)
	}
	defer log.Close()
	cmd := exec.Command(p.Path, p.Args...)
	cmd.Dir, cmd.Env = p.Dir, environment()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = attributes(tied)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", p.Name, err)
	}
	p.identity, err = identify(cmd.Process.Pid)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", p.Name, err), cmd.Process.Kill())
	}
	return cmd, nil
}

// environment returns the environment of all processes. It omits most of the
// caller's variables: an ETCD_ variable stops etcd, a KUBE_ one changes features,
// and neither may depend on the user.
func environment() []string {
	env := []string{}
	for _, name := range []string{"HOME", "TMPDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	// The programs of a node are in directories that are usually only in root's path.
	return append(env, "PATH="+searchPath())
}

// identify returns the identity of a child process that has not been waited for.
func identify(pid int) (identity, error) {
	started, _, err := inspect(pid)
	return identity{PID: pid, Started: started}, err
}

// alive reports whether this process, and not another one with its ID, is
// running.
func (id identity) alive() bool {
	if id.PID <= 0 {
		return false
	}
	started, ended, err := inspect(id.PID)
	return err == nil && !ended && started == id.Started
}

// signal sends a signal to this process and no other. It returns
// os.ErrProcessDone if the process has ended.
func (id identity) signal(sig syscall.Signal) error {
	if id.PID <= 0 {
		return os.ErrProcessDone
	}
	// The handle is acquired before the check, so that on Linux it cannot refer to
	// another process afterwards.
	handle, err := os.FindProcess(id.PID)
	if err != nil {
		return err
	}
	defer handle.Release()
	if !id.alive() {
		return os.ErrProcessDone
	}
	return handle.Signal(sig)
}

// stop stops the process with SIGTERM, and with SIGKILL if that does not suffice.
// It succeeds if the process has already ended.
func (id identity) stop() error {
	// SIGCONT, since a stopped process cannot handle SIGTERM.
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGCONT} {
		if err := id.signal(sig); errors.Is(err, os.ErrProcessDone) {
			return nil
		} else if err != nil {
			return err
		}
	}
	if id.endsWithin(grace) {
		return nil
	}
	if err := id.signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	if !id.endsWithin(grace) {
		return fmt.Errorf("process %d is still running %s after SIGKILL", id.PID, grace)
	}
	return nil
}

// endsWithin reports whether the process ends within the limit.
func (id identity) endsWithin(limit time.Duration) bool {
	for deadline := time.Now().Add(limit); id.alive(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}
