package rig

import "syscall"

// tied has a process killed when the thread ends that has started it.
func tied() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
