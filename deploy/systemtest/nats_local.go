package systemtest

import (
	"context"
	"errors"
	"fmt"
	"os"

	"connect-provider/deploy/local"
)

// natsInProcess is a server inside the test process.
type natsInProcess struct {
	dir    string
	port   int
	server *local.NATS // nil while stopped
}

func newNATSInProcess(dir string, port int) natsHost { return &natsInProcess{dir: dir, port: port} }

func (n *natsInProcess) url() string { return fmt.Sprintf("nats://127.0.0.1:%d", n.port) }

func (n *natsInProcess) start(ctx context.Context) error {
	if n.server != nil {
		return nil
	}
	s, err := local.StartNATS(ctx, local.NATSOptions{Dir: n.dir, Port: n.port})
	if err != nil {
		return err
	}
	n.server = s
	return nil
}

func (n *natsInProcess) stop() error {
	if n.server == nil {
		return nil
	}
	s := n.server
	n.server = nil
	return s.Close()
}

func (n *natsInProcess) kill() error { return n.stop() }

func (n *natsInProcess) keep(ctx context.Context, stream string) error {
	return keepLocally(ctx, n.dir, stream)
}

func (n *natsInProcess) rewind(_ context.Context, stream string) error {
	return errors.Join(n.stop(), rewindLocally(n.dir, stream))
}

func (n *natsInProcess) loseDisk(context.Context) error {
	return errors.Join(n.kill(), os.RemoveAll(n.dir))
}

func (n *natsInProcess) remove() error { return errors.Join(n.stop(), os.RemoveAll(n.dir)) }
