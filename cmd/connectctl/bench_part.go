package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"
)

// benchPart is a process of an embedded system: this program, run again in a
// hidden role. It lives until its standard input ends, and that ends with this
// process, however this ends.
type benchPart struct {
	cmd   *exec.Cmd
	life  io.Closer // its standard input
	said  lineBuffer
	ended chan struct{}
	err   error // how it ended; read after ended is closed
}

// startBenchPart starts a part with a command line of bench, and with variables
// beside those of this process that are no settings.
func startBenchPart(p process, args []string, variables ...string) (*benchPart, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	part := &benchPart{cmd: exec.Command(path, append([]string{"bench"}, args...)...), ended: make(chan struct{})}
	part.said.there = make(chan struct{})
	part.cmd.Env = append(slices.DeleteFunc(os.Environ(), isSetting), variables...)
	part.cmd.Stdout, part.cmd.Stderr = &part.said, p.stderr
	if part.life, err = part.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := part.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", args[0], err)
	}
	go func() {
		part.err = part.cmd.Wait()
		close(part.ended)
	}()
	return part, nil
}

// isSetting tells whether a variable, name=value, would set something in a part.
func isSetting(variable string) bool {
	for _, prefix := range []string{"NATS_", "DATABASE_", "CONNECT_PROVIDER_", "OTEL_", "PG"} {
		if strings.HasPrefix(variable, prefix) {
			return true
		}
	}
	return false
}

func (b *benchPart) pid() int { return b.cmd.Process.Pid }

// partLimit is how long a part may take to start, and to end.
const partLimit = 30 * time.Second

// awaitLine waits for the first line that the part prints.
func (b *benchPart) awaitLine(ctx context.Context) (string, error) {
	select {
	case <-b.said.there:
		return b.said.line(), nil
	case <-b.ended:
		return "", fmt.Errorf("it ended: %w", b.err)
	case <-time.After(partLimit):
		return "", errors.New("it has not started in time")
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// end has the part end in an orderly way, and waits for it.
func (b *benchPart) end() error {
	_ = b.life.Close() // it fails where the part has ended, which is told below
	select {
	case <-b.ended:
	case <-time.After(partLimit):
		_ = b.cmd.Process.Kill() // it fails where it has just ended
		<-b.ended
	}
	return b.err
}

// lineBuffer keeps the first line of what is written to it.
type lineBuffer struct {
	mu    sync.Mutex
	text  []byte
	there chan struct{} // closed when the line is whole
	whole bool
}

// Write is called with what the part prints.
func (f *lineBuffer) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.whole {
		f.text = append(f.text, p...)
		if f.whole = bytes.IndexByte(f.text, '\n') >= 0; f.whole {
			close(f.there)
		}
	}
	return len(p), nil
}

func (f *lineBuffer) line() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	line, _, _ := strings.Cut(string(f.text), "\n")
	return line
}
