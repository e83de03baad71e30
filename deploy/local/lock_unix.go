//go:build unix

package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

type dirLock struct{ file *os.File }

// errLocked means that a living process holds the directory.
var errLocked = errors.New("in use by another process")

// lockDir takes the directory for this process. The kernel releases the lock
// when the process ends, however it ends, so there is no stale lock to mend.
func lockDir(dir string) (*dirLock, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errLocked
		}
		return nil, fmt.Errorf("directory %s: %w", dir, err)
	}
	return &dirLock{file: f}, nil
}

// release may be called again. Closing the file would not do: a child that was
// forked a moment ago, for another purpose, has it open until it executes its
// program.
func (l *dirLock) release() error {
	if err := syscall.Flock(int(l.file.Fd()), syscall.LOCK_UN); err != nil && !errors.Is(err, syscall.EBADF) {
		return err
	}
	if err := l.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// ownedByCaller guards against following what somebody else put into a shared
// temporary directory.
func ownedByCaller(info os.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}
