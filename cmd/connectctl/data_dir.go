package main

import (
	"os"
	"path/filepath"
	"runtime"
)

// defaultDataDir is where dev keeps its data: the user's own, or, for root, a
// place that the account which Postgres runs as can enter.
func defaultDataDir() string {
	const below = "connect-provider/dev"
	if os.Geteuid() == 0 {
		return "/var/lib/" + below
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, below)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return filepath.Join(os.TempDir(), below)
	}
	switch runtime.GOOS {
	case "darwin":
		return filepath.Join(home, "Library", "Application Support", below)
	case "windows":
		return filepath.Join(home, "AppData", "Local", below)
	}
	return filepath.Join(home, ".local", "share", below)
}
