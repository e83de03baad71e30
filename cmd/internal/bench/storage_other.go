//go:build !linux

package bench

// storageInMemory is known on Linux only.
func storageInMemory(string) string { return "" }
