//go:build unix && !linux

package local

import "syscall"

func (a account) attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: true}
	if a.switched {
		attr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
	return attr
}

// serverAttributes: this system cannot signal a child when its parent dies. A
// server left over is ended by the next start on its directory.
func (a account) serverAttributes() *syscall.SysProcAttr { return a.attributes() }
