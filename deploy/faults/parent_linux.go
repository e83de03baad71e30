package faults

import "syscall"

// EndWithParent returns attributes with which the kernel ends a process when
// this one ends, however that comes: whatever a program that harms others has
// started must not outlive it. Where the system can't do that it returns nil.
func EndWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
