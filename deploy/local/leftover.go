package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// endLeftover ends a server that a killed process left on this cluster. Only a
// process that says itself (by its command line) that it serves this data
// directory is signalled. The file of one that is gone, or whose process id
// belongs to somebody else by now, is removed, since Postgres would take that
// other process for the old server and refuse to start.
func (p *Postgres) endLeftover(ctx context.Context) error {
	ended, err := endServer(ctx, p.data)
	if err != nil {
		return err
	}
	if ended {
		p.log.Info("ended a server that was left over", zap.String("data", p.data))
	}
	return nil
}

// endLeftovers ends the servers of all clusters below dir, as far as possible.
func endLeftovers(dir string) {
	for _, pattern := range []string{"data", "*/data", "*/*/data"} {
		clusters, _ := filepath.Glob(filepath.Join(dir, pattern)) // the patterns are well formed
		for _, data := range clusters {
			_, _ = endServer(context.Background(), data) // the directory goes away anyway
		}
	}
}

func endServer(ctx context.Context, data string) (ended bool, err error) {
	file := filepath.Join(data, "postmaster.pid")
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for a server left over: %w", err)
	}
	lines := strings.Split(string(b), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil || pid <= 1 || !servesCluster(pid, data) {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, fmt.Errorf("remove the file of a server that is gone: %w", err)
		}
		return false, nil
	}
	for _, s := range shutdownSignals {
		if err := signalProcess(pid, s.signal); err != nil {
			return false, fmt.Errorf("end the server left over on %s (process %d): %w", data, pid, err)
		}
		if gone(ctx, pid, data, s.wait) {
			return true, nil
		}
	}
	return false, fmt.Errorf("the server left over on %s (process %d) does not end", data, pid)
}

// gone polls, since only a parent is told of a process's end.
func gone(ctx context.Context, pid int, data string, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for servesCluster(pid, data) {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}

// signalProcess treats a process that has just ended as signalled.
func signalProcess(pid int, sig syscall.Signal) error {
	process, err := os.FindProcess(pid)
	if err != nil {
		return nil //nolint:nilerr // there is no such process (any more), which is what the caller wants
	}
	if err := process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}
