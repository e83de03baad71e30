package faults

import (
	"context"
	"fmt"
	"os/exec"
)

// Shell runs a script of a POSIX shell where a server's data directory is, with
// rights to it, and gives what it says. The arguments are $1, $2 and so on.
type Shell func(ctx context.Context, script string, args ...string) (string, error)

// LocalShell is the Shell for servers on this machine. An error has what the
// script said.
func LocalShell(ctx context.Context, script string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "sh", append([]string{"-c", script, "sh"}, args...)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return string(out), nil
}
