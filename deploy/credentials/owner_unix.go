//go:build unix

package credentials

import (
	"os"
	"syscall"
)

// ownerOf returns whom a file belongs to.
func ownerOf(file string) (Owner, bool) {
	info, err := os.Lstat(file)
	if err != nil {
		return Owner{}, false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return Owner{}, false
	}
	return Owner{UID: int(stat.Uid), GID: int(stat.Gid)}, true
}
