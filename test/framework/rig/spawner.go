package rig

import (
	"os/exec"
	"runtime"
)

// spawner starts processes that end with this one. On Linux the kernel kills them when the
// thread that started them ends; one goroutine, locked to its thread, starts all of them.
type spawner struct {
	commands chan *exec.Cmd
	errors   chan error
}

func newSpawner() *spawner {
	s := &spawner{commands: make(chan *exec.Cmd), errors: make(chan error)}
	go func() {
		runtime.LockOSThread()
		for command := range s.commands {
			command.SysProcAttr = tied()
			s.errors <- command.Start()
		}
	}()
	return s
}

func (s *spawner) start(command *exec.Cmd) error {
	s.commands <- command
	return <-s.errors
}
