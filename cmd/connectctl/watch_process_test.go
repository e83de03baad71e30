package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// watchProcess starts `connectctl watch` as a process. What it writes goes into
// a pipe.
func (b *watchBed) watchProcess(args ...string) (process *exec.Cmd, stdout io.ReadCloser, stderr *output) {
	b.t.Helper()
	executable, err := os.Executable()
	if err != nil {
		b.t.Fatal(err)
	}
	process = exec.Command(executable, append([]string{"watch", "--server", b.server.URL()}, args...)...)
	process.Env = append(os.Environ(), asProgram+"=1")
	stderr = &output{}
	process.Stderr = stderr
	if stdout, err = process.StdoutPipe(); err != nil {
		b.t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = process.Process.Kill() })
	return process, stdout, stderr
}

func TestASignalIsAGoodEndOfWatching(t *testing.T) {
	t.Parallel()
	b := newWatchBed(t)
	b.publish(1)
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		process, stdout, stderr := b.watchProcess("--since", "start")
		if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || !strings.Contains(line, "command-1") {
			t.Fatalf("%q, %v", line, err)
		}
		if err := process.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if err := process.Wait(); err != nil || stderr.String() != "" {
			t.Errorf("%v: %v\n%s", signal, err, stderr.String())
		}
	}
}

// As in `connectctl watch | head -1`.
func TestWatchEndsQuietlyWhenNobodyReads(t *testing.T) {
	t.Parallel()
	b := newWatchBed(t)
	b.publish(200)
	for _, format := range []string{"--json", "--reveal"} {
		process, stdout, stderr := b.watchProcess("--since", "start", format)
		if _, err := bufio.NewReaderSize(stdout, 16).ReadSlice('c'); err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			t.Fatal(err)
		}
		if err := stdout.Close(); err != nil {
			t.Fatal(err)
		}
		b.publish(1) // what is in the stream may have fitted into the pipe
		if err := process.Wait(); err != nil || stderr.String() != "" {
			t.Errorf("%v\n%s", err, stderr.String())
		}
	}
}

// pager is a reader that reads no more: whoever writes waits.
type pager struct {
	full     chan struct{}
	released <-chan struct{}
}

func (p pager) Write([]byte) (int, error) {
	close(p.full)
	<-p.released
	return 0, io.ErrClosedPipe
}

func TestASignalEndsWatchingWhileTheReaderSleeps(t *testing.T) {
	t.Parallel()
	b := newWatchBed(t)
	b.publish(1)
	p := pager{full: make(chan struct{}), released: t.Context().Done()}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	defer stop()
	w := &watching{bed: b, ended: make(chan int, 1)}
	go func() {
		w.ended <- run(ctx, []string{"watch", "--server", b.server.URL(), "--since", "start"}, p, &w.stderr)
	}()
	<-p.full
	stop()
	w.exits(0)
}
