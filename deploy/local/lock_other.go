//go:build !unix

package local

import (
	"errors"
	"os"
)

type dirLock struct{}

var errLocked = errors.New("in use by another process")

func lockDir(string) (*dirLock, error) {
	return nil, errors.New("the local stack runs on Linux and macOS; elsewhere give a database URL and a NATS URL")
}

func (l *dirLock) release() error { return nil }

func ownedByCaller(os.FileInfo) bool { return false }
