package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc: USER_HZ is 100 on every architecture that
// Go supports.
const tick = 10 * time.Millisecond

// ProcessOf returns a process by its id. Its memory is the kernel's own record of
// the most that was resident (VmHWM).
func ProcessOf(name string, pid int) Process {
	return Process{Name: name, Read: func(context.Context) (Reading, error) {
		times, err := timesOf(pid)
		if err != nil {
			return Reading{}, err
		}
		memory, err := kilobytes(fmt.Sprintf("/proc/%d/status", pid), "VmHWM:")
		return Reading{CPU: times.own, Memory: memory}, err
	}}
}

// ServerOf returns a process by its id together with its children, those that
// have ended too, as a Postgres server's. Its memory is the sum of proportional
// set sizes (PSS), in which what several of them share counts once.
func ServerOf(name string, pid int) Process {
	return Process{Name: name, Read: func(context.Context) (Reading, error) {
		times, err := timesOf(pid)
		if err != nil {
			return Reading{}, err
		}
		r := Reading{CPU: times.own + times.reaped}
		if r.Memory, err = kilobytes(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss:"); err != nil {
			return r, err
		}
		children, err := childrenOf(pid)
		for _, child := range children {
			if times, err := timesOf(child); err == nil { // else it has ended
				r.CPU += times.own
			}
			if memory, err := kilobytes(fmt.Sprintf("/proc/%d/smaps_rollup", child), "Pss:"); err == nil {
				r.Memory += memory
			}
		}
		return r, err
	}}
}

// Self is this process.
func Self(name string) Process { return ProcessOf(name, os.Getpid()) }

type times struct {
	parent      int
	own, reaped time.Duration // reaped: of children that have ended
}

// timesOf reads /proc/<pid>/stat; see proc_pid_stat(5).
func timesOf(pid int) (times, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return times{}, err
	}
	// the name, in parentheses, may hold anything
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 15 {
		return times{}, fmt.Errorf("/proc/%d/stat: %d fields", pid, len(fields))
	}
	var t times
	if t.parent, err = strconv.Atoi(fields[1]); err != nil {
		return times{}, err
	}
	var ticks [4]time.Duration // utime, stime, cutime, cstime
	for i := range ticks {
		n, err := strconv.ParseInt(fields[11+i], 10, 64)
		if err != nil {
			return times{}, err
		}
		ticks[i] = time.Duration(n) * tick
	}
	t.own, t.reaped = ticks[0]+ticks[1], ticks[2]+ticks[3]
	return t, nil
}

func childrenOf(pid int) ([]int, error) {
	names, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	var children []int
	for _, name := range names {
		child, err := strconv.Atoi(filepath.Base(name))
		if err != nil {
			continue
		}
		if t, err := timesOf(child); err == nil && t.parent == pid {
			children = append(children, child)
		}
	}
	return children, nil
}

// kilobytes reads a line such as "VmHWM:  1234 kB" of a file below /proc, in bytes.
func kilobytes(file, name string) (int64, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(content)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("%s has no %s", file, name)
}
