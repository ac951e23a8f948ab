package localnode

import "syscall"

// attributes have a process killed when the thread ends that has started it, and keep
// a terminal's interrupt from it.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
