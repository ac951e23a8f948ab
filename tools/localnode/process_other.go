//go:build !linux

package localnode

import "syscall"

// attributes keep a terminal's interrupt from a process. Only Linux can tie its life
// to that of this process.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
