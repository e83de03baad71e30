//go:build unix

package onboard

import (
	"os"
	"syscall"
)

// lockFile keeps other runs away from a state file for as long as it is open.
func lockFile(file *os.File) error {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
