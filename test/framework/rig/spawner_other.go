//go:build !linux

package rig

import "syscall"

// tied does nothing: only Linux can tie a process to another.
func tied() *syscall.SysProcAttr { return nil }
