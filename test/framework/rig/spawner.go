package rig

import (
	"os/exec"
	"runtime"
)

// spawner starts processes that are to end with this one. On Linux the kernel
// sees to that, but it is the end of the starting thread that counts; so all of
// them are started by one goroutine that keeps its thread for good.
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
