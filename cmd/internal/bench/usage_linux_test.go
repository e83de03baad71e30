package bench

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"connect-provider/deploy/usage"
)

// TestAServersChildrenCountAfterTheirEnd: as a Postgres server's, whose sessions
// come and go.
func TestAServersChildrenCountAfterTheirEnd(t *testing.T) {
	t.Parallel()
	server, own := ServerOf("server", os.Getpid()), Self("own")
	w := startWatch(t.Context(), func() []Process { return []Process{server, own} })
	defer w.close()
	shell := exec.Command("sh", "-c", "n=0; while [ $n -lt 300000 ]; do n=$((n+1)); done")
	if err := shell.Run(); err != nil {
		t.Fatal(err)
	}
	usages := w.usages(t.Context())
	shells := (shell.ProcessState.UserTime() + shell.ProcessState.SystemTime()).Seconds()
	with, without := *usages[0].CPUSeconds, *usages[1].CPUSeconds
	// two readings one after the other, in hundredths of a second
	if counted := with - without; counted < shells-0.05 {
		t.Errorf("%.2f s of the child's %.2f s were counted", counted, shells)
	}
	if *usages[0].PeakMemory < 1<<20 || *usages[1].PeakMemory < 1<<20 {
		t.Errorf("peaks of %d and %d bytes", *usages[0].PeakMemory, *usages[1].PeakMemory)
	}
}

// TestWhatCannotBeReadIsNotKnown: and what is started later counts from zero.
func TestWhatCannotBeReadIsNotKnown(t *testing.T) {
	t.Parallel()
	gone := ProcessOf("gone", 1<<30)
	later := Process{Name: "later", Read: func(context.Context) (usage.Reading, error) {
		return usage.Reading{CPU: 3 * time.Second, Memory: 7}, nil
	}}
	running := []Process{gone}
	w := startWatch(t.Context(), func() []Process { return running })
	w.close()
	running = append(running, later)
	usages := w.usages(t.Context())
	if usages[0].CPUSeconds != nil || usages[0].PeakMemory != nil {
		t.Errorf("gone: %+v", usages[0])
	}
	if *usages[1].CPUSeconds != 3 || *usages[1].PeakMemory != 7 {
		t.Errorf("later: %v s, %v bytes", *usages[1].CPUSeconds, *usages[1].PeakMemory)
	}
}
