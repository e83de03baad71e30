package usage

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc: USER_HZ is 100 on every architecture that
// Go supports.
const tick = 10 * time.Millisecond

// Process reads a process by its id. Its memory is the kernel's own record of the
// most that was resident (VmHWM).
func Process(pid int) (Reading, error) {
	times, err := timesOf(pid)
	if err != nil {
		return Reading{}, err
	}
	memory, err := kilobytes(fmt.Sprintf("/proc/%d/status", pid), "VmHWM:")
	return Reading{CPU: times.own, Memory: memory}, err
}

// Server reads a process by its id together with its children, those that have
// ended too, as a Postgres server's. Its memory is what each of them has for
// itself (RssAnon), and once what they share (RssShmem of the one that has the
// most of it). Their proportional set sizes would be as good and cost 5% of a
// processor to look at twice a second.
func Server(pid int) (Reading, error) {
	children, err := childrenOf(pid)
	if err != nil {
		return Reading{}, err
	}
	server, err := timesOf(pid)
	r := Reading{CPU: server.reaped}
	var shared int64
	for _, process := range append(children, pid) {
		status := fmt.Sprintf("/proc/%d/status", process)
		times, ended := timesOf(process)
		own, without := kilobytes(status, "RssAnon:")
		if errors.Join(ended, without) != nil {
			continue // a child that has just ended: the next reading has it among the reaped
		}
		r.CPU += times.own
		r.Memory += own
		if touched, err := kilobytes(status, "RssShmem:"); err == nil {
			shared = max(shared, touched)
		}
	}
	r.Memory += shared
	return r, err
}

type times struct {
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
	var ticks [4]time.Duration // utime, stime, cutime, cstime
	for i := range ticks {
		n, err := strconv.ParseInt(fields[11+i], 10, 64)
		if err != nil {
			return times{}, err
		}
		ticks[i] = time.Duration(n) * tick
	}
	return times{own: ticks[0] + ticks[1], reaped: ticks[2] + ticks[3]}, nil
}

// childrenOf returns those of a process that has one thread.
func childrenOf(pid int) ([]int, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil, err
	}
	var children []int
	for _, field := range strings.Fields(string(content)) {
		child, err := strconv.Atoi(field)
		if err != nil {
			return nil, err
		}
		children = append(children, child)
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
