//go:build !linux

package processtest

import (
	"fmt"
	"os/exec"
	"strconv"
)

// residentPeak is the memory that a process has resident, in bytes. Where there
// is no /proc the peak is not told; a Go program gives memory back slowly.
func residentPeak(pid int) (int64, error) {
	var kilobytes int64
	out, err := exec.Command("ps", "-o", "rss=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return 0, err
	}
	_, err = fmt.Sscan(string(out), &kilobytes)
	return kilobytes << 10, err
}
