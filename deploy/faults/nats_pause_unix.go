//go:build unix

package faults

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Pause stops the running server where it is: connections stand, nothing
// answers. It takes hold a moment after it returned, thread by thread. Resume,
// Stop, Kill and Remove end it.
func (n *NATSProcess) Pause() error {
	if n.cmd == nil {
		return errors.New("pause NATS: it does not run")
	}
	if err := n.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return fmt.Errorf("pause NATS: %w", err)
	}
	n.paused = true
	return nil
}

// Resume ends Pause. A server that is not paused takes no notice.
func (n *NATSProcess) Resume() error {
	if !n.paused {
		return nil
	}
	if err := n.cmd.Process.Signal(syscall.SIGCONT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("resume NATS: %w", err)
	}
	n.paused = false
	return nil
}

// ownGroup gives the server a process group of its own. Ctrl-C at the terminal
// is for this program, which ends its servers in its own order; and when this
// program is killed while the server is paused, the kernel wakes the orphaned
// group, so that no stopped process is left behind.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
