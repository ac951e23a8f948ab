package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// grace is how long a process may take to end after SIGTERM. One second is
// enough with no client connected; with one that watches, the API server would
// take a minute and etcd nine seconds, and SIGKILL costs neither of them data.
const grace = 3 * time.Second

// process is one part of a control plane: how to start it, and who it is while
// it runs.
type process struct {
	Name string
	Path string
	Args []string
	// Dir is the working directory that relative paths in Args are meant for.
	Dir string
	// Log is the file that its output is appended to.
	Log string
	// Probes are URLs that all answer 200 once it can be used.
	Probes []string
	identity
}

// identity names one running process for good. The process id alone is not
// enough: it is given to some other process after the first has ended.
type identity struct {
	PID int
	// Started is when it was started, in whatever form the platform tells it.
	Started string
}

// start starts the process in a session of its own, so that neither the end of
// a terminal nor an interrupt typed there reaches it. If tied, it is killed when
// the calling thread ends (on Linux only).
func (p *process) start(tied bool) (*exec.Cmd, error) {
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", p.Name, err)
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

// environment is all that a process gets of the caller's: an ETCD_ variable
// stops etcd, a KUBE_ one changes features, and neither may depend on the user.
func environment() []string {
	env := []string{}
	for _, name := range []string{"HOME", "TMPDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	// What a node runs lies where only root looks.
	return append(env, "PATH="+searchPath())
}

// identify describes a child that has not been waited for.
func identify(pid int) (identity, error) {
	started, _, err := inspect(pid)
	return identity{PID: pid, Started: started}, err
}

// alive tells whether this very process still runs.
func (id identity) alive() bool {
	if id.PID <= 0 {
		return false
	}
	started, ended, err := inspect(id.PID)
	return err == nil && !ended && started == id.Started
}

// signal sends a signal to this process and to no other. It returns
// os.ErrProcessDone if it has ended.
func (id identity) signal(sig syscall.Signal) error {
	if id.PID <= 0 {
		return os.ErrProcessDone
	}
	// The handle is taken before the check, so that on Linux it can't come to
	// mean another process in between.
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

// stop ends the process: SIGTERM, and SIGKILL if that is not enough. One that
// has ended already is fine.
func (id identity) stop() error {
	// SIGCONT, since a process that was stopped can't act on SIGTERM.
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
		return fmt.Errorf("process %d still runs %s after SIGKILL", id.PID, grace)
	}
	return nil
}

func (id identity) endsWithin(limit time.Duration) bool {
	for deadline := time.Now().Add(limit); id.alive(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}
