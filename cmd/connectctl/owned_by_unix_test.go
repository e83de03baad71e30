//go:build unix

package main

import (
	"os"
	"syscall"
	"testing"
)

func ownedBy(t *testing.T, file string) (uid, gid uint32) {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	return stat.Uid, stat.Gid
}
