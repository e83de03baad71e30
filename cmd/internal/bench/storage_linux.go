package bench

import "syscall"

// memoryFS are the file systems that keep everything in memory, by the number in
// statfs(2).
var memoryFS = map[uint32]string{0x01021994: "tmpfs", 0x858458f6: "ramfs"}

// storageInMemory names the file system of a directory if it is one that keeps
// everything in memory, so that syncing means nothing.
func storageInMemory(dir string) string {
	var fs syscall.Statfs_t
	if syscall.Statfs(dir, &fs) != nil {
		return ""
	}
	return memoryFS[uint32(fs.Type)]
}
