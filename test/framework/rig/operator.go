package rig

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// endLimit is how long an operator may take to end: the deadline of a write in progress,
// and some seconds.
const endLimit = 15 * time.Second

// Operator is an operator process.
type Operator struct {
	command *exec.Cmd
	log     output
	ended   chan struct{}
}

// StartOperator starts the operator under its own service account, without leader election
// and ports; flags override that. It does not wait until the operator is ready. The caller
// must end it with [Operator.Stop] or [Operator.Kill].
func (r *Rig) StartOperator(flags ...string) (*Operator, error) {
	return r.startProgram(r.commands.operator, nil, flags)
}

// StartListingOperator is [Rig.StartOperator] for an operator that fills its caches by
// lists, as it does with an API server that cannot stream them by a watch.
func (r *Rig) StartListingOperator(flags ...string) (*Operator, error) {
	return r.startProgram(r.commands.operator, []string{"KUBE_FEATURE_WatchListClient=false"}, flags)
}

func (r *Rig) startProgram(program string, environment, flags []string) (*Operator, error) {
	o := &Operator{ended: make(chan struct{})}
	o.command = exec.Command(program, append([]string{
		"--kubeconfig", r.Main.Kubeconfig,
		"--leader-elect=false",
		"--readiness-probe-port=0",
		"--metrics-port=0",
		"--webhook-port=0",
		"--log-level=3",
	}, flags...)...)
	o.command.Env = append(os.Environ(), environment...)
	o.command.Stdout, o.command.Stderr = &o.log, &o.log
	if err := r.spawner.start(o.command); err != nil {
		return nil, fmt.Errorf("starting the operator: %w", err)
	}
	go func() {
		defer close(o.ended)
		_ = o.command.Wait() // the process state contains the exit status
	}()
	return o, nil
}

// RunOperator runs the operator with only these flags until it exits by itself, which it
// must do within seconds, and returns its exit code and output.
func (r *Rig) RunOperator(flags ...string) (code int, log string, err error) {
	o := &Operator{}
	o.command = exec.Command(r.commands.operator, flags...)
	o.command.Stdout, o.command.Stderr = &o.log, &o.log
	if err := r.spawner.start(o.command); err != nil {
		return 0, "", fmt.Errorf("starting the operator: %w", err)
	}
	watchdog := time.AfterFunc(endLimit, func() { _ = o.command.Process.Kill() })
	defer watchdog.Stop()
	_ = o.command.Wait() // the process state contains the exit status
	if !o.command.ProcessState.Exited() {
		return 0, o.Log(), fmt.Errorf("the operator did not end within %s", endLimit)
	}
	return o.command.ProcessState.ExitCode(), o.Log(), nil
}

// Stop ends the operator with SIGTERM. It returns an error if that takes too long, if the
// exit code is not 0, or if the operator had already ended.
func (o *Operator) Stop() error {
	if o.Ended() {
		return fmt.Errorf("the operator had ended by itself: %s", o.command.ProcessState)
	}
	if err := o.command.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-o.ended:
	case <-time.After(endLimit):
		return errors.Join(fmt.Errorf("the operator still ran %s after SIGTERM", endLimit), o.Kill())
	}
	if state := o.command.ProcessState; !state.Success() {
		return fmt.Errorf("the operator ended with %s after SIGTERM, want exit code 0", state)
	}
	return nil
}

// Kill ends the operator with SIGKILL, like a crash of its node.
func (o *Operator) Kill() error {
	if o.Ended() {
		return fmt.Errorf("the operator had ended by itself: %s", o.command.ProcessState)
	}
	err := o.command.Process.Kill()
	<-o.ended
	return err
}

// Pause suspends the operator's process until [Operator.Resume], like an overloaded
// machine.
func (o *Operator) Pause() error { return o.command.Process.Signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (o *Operator) Resume() error { return o.command.Process.Signal(syscall.SIGCONT) }

// Ended reports whether the operator has ended.
func (o *Operator) Ended() bool {
	select {
	case <-o.ended:
		return true
	default:
		return false
	}
}

// Log returns the operator's output so far.
func (o *Operator) Log() string { return o.log.since(0) }

// LogSize returns the length of the log so far, in bytes, for [Operator.LogSince].
func (o *Operator) LogSize() int { return len(o.Log()) }

// LogSince returns the log without its first bytes.
func (o *Operator) LogSince(size int) string { return o.log.since(size) }

// output collects what a process writes. It is safe for concurrent use.
type output struct {
	mu   sync.Mutex
	text []byte
}

func (o *output) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, text...)
	return len(text), nil
}

func (o *output) since(size int) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text[size:])
}
