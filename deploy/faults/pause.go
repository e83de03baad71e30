package faults

import (
	"context"
	"fmt"
)

// signalAll sends a signal to the postmaster and its children.
const signalAll = `
pid=$(head -n 1 "$1/postmaster.pid") || exit 1
if [ -d /proc/self ]; then
  children=$(for f in /proc/[0-9]*/stat; do
    read -r child name state parent rest <"$f" || continue
    [ "$parent" = "$pid" ] && echo "$child"
  done 2>/dev/null)
else
  children=$(pgrep -P "$pid")
fi
kill "-$2" "$pid"
for child in $children; do kill "-$2" "$child" 2>/dev/null; done
exit 0
`

// PauseCluster stops all processes of the running server where they are:
// connections stand, nothing answers. It takes hold a moment after it returned.
// Resume the server before anything else is done with it, and before this
// program ends: nothing else wakes a stopped process.
func PauseCluster(ctx context.Context, sh Shell, dataDir string) error {
	if _, err := sh(ctx, signalAll, dataDir, "STOP"); err != nil {
		return fmt.Errorf("pause Postgres: %w", err)
	}
	return nil
}

// ResumeCluster ends PauseCluster. A server that is not paused takes no notice.
func ResumeCluster(ctx context.Context, sh Shell, dataDir string) error {
	if _, err := sh(ctx, signalAll, dataDir, "CONT"); err != nil {
		return fmt.Errorf("resume Postgres: %w", err)
	}
	return nil
}
