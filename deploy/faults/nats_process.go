package faults

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"

	"connect-provider/deploy/local"
)

// The program runs itself again as the server, which sees these variables.
const (
	natsDirVariable  = "CONNECT_NATS_PROCESS_DIR"
	natsPortVariable = "CONNECT_NATS_PROCESS_PORT"
)

// NATSProcessRequested tells whether this process is to be the server of a
// NATSProcess. A program that uses one asks first thing in main:
//
//	if faults.NATSProcessRequested() {
//		os.Exit(faults.RunNATSProcess())
//	}
func NATSProcessRequested() bool { return os.Getenv(natsDirVariable) != "" }

// RunNATSProcess is the server's whole life; it returns the exit code. It ends
// when its standard input does, and that ends with the process that started it,
// however that ends.
func RunNATSProcess() int {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	port, err := strconv.Atoi(os.Getenv(natsPortVariable))
	if err == nil {
		err = local.RunNATS(ctx, local.NATSOptions{Dir: os.Getenv(natsDirVariable), Port: port}, func(url string) { fmt.Println(url) })
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// NATSProcess is a NATS server as a process of its own, with JetStream and every
// write synced. URL and store stay the same when it is started again. Its
// methods are for one goroutine at a time.
type NATSProcess struct {
	dir    string
	port   int
	cmd    *exec.Cmd // nil while stopped
	life   io.Closer // the server's standard input
	paused bool
}

// NewNATSProcess names a server that keeps its store in the directory, which is
// made if missing, and listens on the port of 127.0.0.1. Start starts it.
func NewNATSProcess(dir string, port int) *NATSProcess { return &NATSProcess{dir: dir, port: port} }

// URL is where clients connect.
func (n *NATSProcess) URL() string { return fmt.Sprintf("nats://127.0.0.1:%d", n.port) }

// Dir is where the server keeps its store.
func (n *NATSProcess) Dir() string { return n.dir }

// Pid is the process id of the server, 0 while it is stopped.
func (n *NATSProcess) Pid() int {
	if n.cmd == nil {
		return 0
	}
	return n.cmd.Process.Pid
}

// Start starts the server if it does not run, and returns when clients can
// connect. JetStream may take a moment longer. The context bounds the start only.
func (n *NATSProcess) Start(ctx context.Context) error {
	if n.cmd != nil {
		return nil
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), natsDirVariable+"="+n.dir, natsPortVariable+"="+strconv.Itoa(n.port))
	cmd.SysProcAttr = ownGroup()
	life, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	givenUp := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	said, err := bufio.NewReader(out).ReadString('\n')
	if !givenUp() {
		return errors.Join(fmt.Errorf("the server did not start in time: %w", context.Cause(ctx)), cmd.Wait())
	}
	if err != nil || said != n.URL()+"\n" {
		return errors.Join(fmt.Errorf("the server said %q", said), err, cmd.Process.Kill(), cmd.Wait())
	}
	n.cmd, n.life = cmd, life
	return nil
}

// Stop ends the server in an orderly way and waits for it. A paused one is
// resumed for that.
func (n *NATSProcess) Stop() error {
	if err := n.Resume(); err != nil {
		return err
	}
	if n.cmd == nil {
		return nil
	}
	cmd := n.cmd
	n.cmd = nil
	return errors.Join(n.life.Close(), cmd.Wait())
}

// Kill ends the server by kill -9, paused or not, and waits until it is gone.
func (n *NATSProcess) Kill() error {
	if n.cmd == nil {
		return nil
	}
	cmd := n.cmd
	n.cmd, n.paused = nil, false
	if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	_ = cmd.Wait() // says that it was killed
	return nil
}

// KeepStream copies what the running server has on disk of a stream. Nobody may
// write to the stream meanwhile.
func (n *NATSProcess) KeepStream(ctx context.Context, stream string) error {
	return KeepStream(ctx, n.dir, stream)
}

// RewindStream ends the server as Stop does and puts a stream back as it was at
// KeepStream. Start goes on from there.
func (n *NATSProcess) RewindStream(stream string) error {
	if err := n.Stop(); err != nil {
		return err
	}
	return RewindStream(n.dir, stream)
}

// LoseDisk ends the server as Kill does, and everything that it had stored is
// gone. Start brings it back with an empty store.
func (n *NATSProcess) LoseDisk() error { return errors.Join(n.Kill(), os.RemoveAll(n.dir)) }

// Remove ends the server for good, in whatever state it is, and deletes its
// directory.
func (n *NATSProcess) Remove() error { return n.LoseDisk() }
