//go:build !unix

package faults

import (
	"errors"
	"syscall"
)

// Pause fails: this system has no way to stop a process where it is.
func (n *NATSProcess) Pause() error { return errors.New("pause NATS: not on this system") }

// Resume has nothing to do, since Pause fails.
func (n *NATSProcess) Resume() error { return nil }

func ownGroup() *syscall.SysProcAttr { return nil }
