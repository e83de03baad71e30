package local

import (
	"bytes"
	"os"
	"slices"
	"strconv"
)

// servesCluster tells whether the process is a living Postgres of this data
// directory. A zombie has no command line.
func servesCluster(pid int, data string) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		return false
	}
	args := bytes.Split(b, []byte{0})
	return bytes.Contains(args[0], []byte("postgres")) &&
		slices.ContainsFunc(args, func(arg []byte) bool { return string(arg) == data })
}
