//go:build !linux

package localnode

import "syscall"

// attributes returns process attributes that shield the process from the
// terminal's interrupt. Only Linux can kill it with this process.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
