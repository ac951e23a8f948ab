package localnode

import "syscall"

// attributes returns process attributes that kill the process when the thread
// that started it ends, and shield it from the terminal's interrupt.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
