package bed

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func processSeconds() (float64, error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, err
	}
	return (time.Duration(usage.Utime.Nano()) + time.Duration(usage.Stime.Nano())).Seconds(), nil
}

// ticks is how many clock ticks /proc counts in a second, on every Linux.
const ticks = 100

// treeSeconds is the processor time of a process, of its children, and of those
// that have ended.
func treeSeconds(pid int) (float64, error) {
	total, err := statTicks(pid, true)
	if err != nil {
		return 0, err
	}
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return 0, err
	}
	for _, file := range files {
		children, err := os.ReadFile(file)
		if err != nil {
			return 0, err
		}
		for _, child := range strings.Fields(string(children)) {
			childPid, err := strconv.Atoi(child)
			if err != nil {
				return 0, err
			}
			// one that has ended meanwhile counts with its parent the next time
			if spent, err := statTicks(childPid, false); err == nil {
				total += spent
			}
		}
	}
	return total / ticks, nil
}

// statTicks reads utime and stime of a process, and cutime and cstime, those of
// its ended children, too if asked to.
func statTicks(pid int, children bool) (ticks float64, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// the program's name, in parentheses, may hold anything
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	last := 13 // stime; fields begin with the state, the third of proc(5)
	if children {
		last = 15
	}
	for _, field := range fields[11:last] {
		n, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return ticks, nil
}
