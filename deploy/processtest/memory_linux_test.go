package processtest

import (
	"fmt"
	"os"
	"strings"
)

// residentPeak is the most memory that a process has had resident, in bytes.
func residentPeak(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	var kilobytes int64
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscan(rest, &kilobytes); err != nil {
		return 0, fmt.Errorf("VmHWM in /proc/%d/status: %w", pid, err)
	}
	return kilobytes << 10, nil
}
