//go:build unix

package arena

import "syscall"

// ownGroup keeps Ctrl-C at the terminal from a process: it is for this program,
// which ends what it has started.
func ownGroup(attributes *syscall.SysProcAttr) *syscall.SysProcAttr {
	if attributes == nil {
		attributes = &syscall.SysProcAttr{}
	}
	attributes.Setpgid = true
	return attributes
}
