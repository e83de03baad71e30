//go:build !linux

package local

import (
	"os/exec"
	"strconv"
	"strings"
)

// servesCluster tells whether the process is a living Postgres of this data
// directory. A zombie's command line is not shown.
func servesCluster(pid int, data string) bool {
	out, err := exec.Command("ps", "-ww", "-o", "args=", "-p", strconv.Itoa(pid)).Output()
	args := string(out)
	return err == nil && strings.Contains(args, "postgres") && strings.Contains(args, "-D "+data+" ")
}
