//go:build !linux

package processtest

import "syscall"

func endWithParent() *syscall.SysProcAttr { return nil }
