package systemtest

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

// The test program runs itself again as the server; Main sees these variables.
const (
	natsDirVariable  = "CONNECT_TEST_NATS_DIR"
	natsPortVariable = "CONNECT_TEST_NATS_PORT"
)

func natsProcessRequested() bool { return os.Getenv(natsDirVariable) != "" }

// runNATSProcess is the server's whole life. It ends when its standard input
// does, and that ends with the test process, however that ends.
func runNATSProcess() int {
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

type natsProcess struct {
	dir  string
	port int
	cmd  *exec.Cmd // nil while stopped
	life io.Closer // the server's standard input
}

func newNATSProcess(dir string, port int) natsHost { return &natsProcess{dir: dir, port: port} }

func (n *natsProcess) url() string { return fmt.Sprintf("nats://127.0.0.1:%d", n.port) }

func (n *natsProcess) start(context.Context) error {
	if n.cmd != nil {
		return nil
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), natsDirVariable+"="+n.dir, natsPortVariable+"="+strconv.Itoa(n.port))
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
	said, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || said != n.url()+"\n" {
		return errors.Join(fmt.Errorf("the server said %q", said), err, cmd.Process.Kill(), cmd.Wait())
	}
	n.cmd, n.life = cmd, life
	return nil
}

func (n *natsProcess) stop() error {
	if n.cmd == nil {
		return nil
	}
	cmd := n.cmd
	n.cmd = nil
	return errors.Join(n.life.Close(), cmd.Wait())
}

func (n *natsProcess) kill() error {
	if n.cmd == nil {
		return nil
	}
	cmd := n.cmd
	n.cmd = nil
	if err := cmd.Process.Kill(); err != nil {
		return err
	}
	_ = cmd.Wait() // says that it was killed
	return nil
}

func (n *natsProcess) keep(ctx context.Context, stream string) error {
	return keepLocally(ctx, n.dir, stream)
}

func (n *natsProcess) rewind(_ context.Context, stream string) error {
	return errors.Join(n.stop(), rewindLocally(n.dir, stream))
}

func (n *natsProcess) loseDisk(context.Context) error {
	return errors.Join(n.kill(), os.RemoveAll(n.dir))
}

func (n *natsProcess) remove() error { return errors.Join(n.kill(), os.RemoveAll(n.dir)) }
