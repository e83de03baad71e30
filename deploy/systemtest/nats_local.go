package systemtest

import (
	"context"
	"errors"
	"fmt"
	"os"

	"connect-provider/deploy/faults"
	"connect-provider/deploy/local"
)

// natsInProcess is a server inside the test process.
type natsInProcess struct {
	dir    string
	port   int
	server *local.NATS // nil while stopped
}

func newNATSInProcess(dir string, port int) natsHost { return &natsInProcess{dir: dir, port: port} }

func (n *natsInProcess) URL() string { return fmt.Sprintf("nats://127.0.0.1:%d", n.port) }

func (n *natsInProcess) Start(ctx context.Context) error {
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

func (n *natsInProcess) Stop() error {
	if n.server == nil {
		return nil
	}
	s := n.server
	n.server = nil
	return s.Close()
}

func (n *natsInProcess) Kill() error { return n.Stop() }

func (n *natsInProcess) KeepStream(ctx context.Context, stream string) error {
	return faults.KeepStream(ctx, n.dir, stream)
}

func (n *natsInProcess) RewindStream(stream string) error {
	return errors.Join(n.Stop(), faults.RewindStream(n.dir, stream))
}

func (n *natsInProcess) LoseDisk() error { return errors.Join(n.Stop(), os.RemoveAll(n.dir)) }

func (n *natsInProcess) Remove() error { return n.LoseDisk() }
