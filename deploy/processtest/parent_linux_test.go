package processtest

import "syscall"

// endWithParent has the kernel end a process when this one ends, however.
func endWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
