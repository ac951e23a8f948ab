package localnode

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// starter starts processes that end with this one. On Linux the kernel kills a
// child when the thread that started it ends, so all of them are started by one
// goroutine that never releases its thread.
type starter struct {
	commands chan *exec.Cmd
	errors   chan error
}

// newStarter returns a starter with a running goroutine.
func newStarter() *starter {
	s := &starter{commands: make(chan *exec.Cmd), errors: make(chan error)}
	go func() {
		runtime.LockOSThread()
		for command := range s.commands {
			command.SysProcAttr = attributes()
			s.errors <- command.Start()
		}
	}()
	return s
}

// start starts a command on the starter's thread.
func (s *starter) start(command *exec.Cmd) error {
	s.commands <- command
	return <-s.errors
}

// process is one running command.
type process struct {
	command *exec.Cmd
	// ended is closed when the process has ended. exit is its exit code then.
	ended chan struct{}
	exit  int
}

// launch starts a command and appends its output to a log file.
func (s *starter) launch(line *commandLine, log string) (*process, error) {
	if err := os.MkdirAll(filepath.Dir(log), 0o755); err != nil {
		return nil, err
	}
	output, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer output.Close() //nolint:errcheck // the process has a copy
	command := exec.Command(line.args[0], line.args[1:]...)
	command.Dir, command.Env = line.folder, line.environment
	command.Stdout, command.Stderr = output, output
	if err := s.start(command); err != nil {
		return nil, fmt.Errorf("starting %s: %w", line.args[0], err)
	}
	p := &process{command: command, ended: make(chan struct{})}
	go func() {
		_ = command.Wait() // the process state contains the exit code
		p.exit = command.ProcessState.ExitCode()
		close(p.ended)
	}()
	return p, nil
}

// stop stops the process with SIGTERM, and with SIGKILL after the grace period.
func (p *process) stop(grace time.Duration) {
	_ = p.command.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.ended:
	case <-time.After(grace):
		_ = p.command.Process.Kill()
		<-p.ended
	}
}
