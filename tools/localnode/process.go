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

// starter starts processes that are to end with this one. On Linux the kernel sees to
// that, but it is the end of the starting thread that counts; so all of them are
// started by one goroutine that keeps its thread for good.
type starter struct {
	commands chan *exec.Cmd
	errors   chan error
}

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

func (s *starter) start(command *exec.Cmd) error {
	s.commands <- command
	return <-s.errors
}

// process is one running command line.
type process struct {
	command *exec.Cmd
	// ended is closed when it has ended, and exit is its code then.
	ended chan struct{}
	exit  int
}

// launch starts a command line, whose output is appended to a log file.
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
		_ = command.Wait() // the exit code says it
		p.exit = command.ProcessState.ExitCode()
		close(p.ended)
	}()
	return p, nil
}

// stop ends the process: SIGTERM, and SIGKILL after the grace period.
func (p *process) stop(grace time.Duration) {
	_ = p.command.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.ended:
	case <-time.After(grace):
		_ = p.command.Process.Kill()
		<-p.ended
	}
}
