//go:build !linux

package faults

import "syscall"

// EndWithParent returns nil: this system can't end a process with its parent.
func EndWithParent() *syscall.SysProcAttr { return nil }
