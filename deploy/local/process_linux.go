package local

import "syscall"

// attributes run a process as the account, in a session of its own: Ctrl-C at
// the terminal is for this program, which ends its servers in its own order.
func (a account) attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: true}
	if a.switched {
		attr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
	return attr
}

// serverAttributes also ask the kernel for a fast shutdown of the server when
// the thread that started it ends; process.go keeps that thread for the
// server's whole life.
func (a account) serverAttributes() *syscall.SysProcAttr {
	attr := a.attributes()
	attr.Pdeathsig = syscall.SIGINT
	return attr
}
