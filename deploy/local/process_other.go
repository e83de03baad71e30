//go:build !unix

package local

import "syscall"

func (a account) attributes() *syscall.SysProcAttr       { return nil }
func (a account) serverAttributes() *syscall.SysProcAttr { return nil }
