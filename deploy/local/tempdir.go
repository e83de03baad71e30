package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// TempDir makes a temporary directory that the Postgres server's account can
// enter, which a directory below root's private home is not. It is made in the
// first that will do of the bases given and the usual ones. The name begins with
// the prefix, followed by a dash. Remove deletes it.
//
// A process that is killed leaves its directory behind; the next call with the
// same prefix removes it, since nobody holds its lock any more.
func TempDir(prefix string, bases ...string) (dir string, remove func() error, err error) {
	acc, err := serverAccount()
	if err != nil {
		return "", nil, err
	}
	var refused []error
	for _, base := range append(bases, os.TempDir(), "/tmp", "/var/tmp") {
		dir, remove, err := tempDirIn(base, prefix, acc)
		if err == nil {
			return dir, remove, nil
		}
		refused = append(refused, err)
	}
	return "", nil, fmt.Errorf("no usable temporary directory: %w", errors.Join(refused...))
}

func tempDirIn(base, prefix string, acc account) (string, func() error, error) {
	removeAbandoned(base, prefix)
	made, err := os.MkdirTemp(base, prefix+"-")
	if err != nil {
		return "", nil, err
	}
	mode := os.FileMode(0o700)
	if acc.switched {
		mode = 0o711
	}
	lock, err := lockDir(made)
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(made))
	}
	remove := func() error { return errors.Join(os.RemoveAll(made), lock.release()) }
	dir, err := filepath.EvalSymlinks(made)
	if err == nil {
		err = os.Chmod(made, mode)
	}
	if err == nil {
		err = acc.canEnter(dir)
	}
	if err != nil {
		return "", nil, errors.Join(err, remove())
	}
	return dir, remove, nil
}

// removeAbandoned removes what killed processes left. A directory that is not
// locked may also be one that its owner made this moment, so young ones stay.
// A Postgres that still serves an abandoned directory is ended first.
func removeAbandoned(base, prefix string) {
	dirs, err := filepath.Glob(filepath.Join(base, prefix+"-*"))
	if err != nil {
		return
	}
	for _, dir := range dirs {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() || !ownedByCaller(info) || time.Since(info.ModTime()) < 10*time.Second {
			continue
		}
		lock, err := lockDir(dir)
		if err != nil {
			continue
		}
		endLeftovers(dir)
		_ = os.RemoveAll(dir)
		_ = lock.release()
	}
}
