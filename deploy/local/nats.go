package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/zap"
)

const loopback = "127.0.0.1"

// NATSOptions say what server StartNATS makes.
type NATSOptions struct {
	// Dir keeps JetStream's store and remembers the port.
	Dir string
	// Host to listen on; empty is loopback.
	Host string
	// Port to listen on. 0 is the one that Dir remembers, else a free one.
	Port int
	// Logger may be nil. The server's notices are logged at debug level.
	Logger *zap.Logger
}

// NATS is a server inside this process.
type NATS struct {
	server *server.Server
	log    *natsLog
}

// StartNATS starts a server with JetStream that syncs every write, and returns
// when clients can connect. The context bounds the start only.
func StartNATS(ctx context.Context, o NATSOptions) (*NATS, error) {
	dir, err := makeDir(o.Dir)
	if err != nil {
		return nil, err
	}
	if o.Host == "" {
		o.Host = loopback
	}
	if o.Port == 0 {
		if o.Port, err = rememberedPort(dir, o.Host); err != nil {
			return nil, fmt.Errorf("NATS: %w", err)
		}
	}
	// The server itself only logs that it cannot listen, and waits on.
	if err := probe(o.Host, o.Port); err != nil {
		return nil, fmt.Errorf("NATS cannot listen: %w", err)
	}
	opts := natsServerOptions(dir, o.Host, o.Port)
	s, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("NATS options: %w", err)
	}
	n := &NATS{server: s, log: newNATSLog(o.Logger)}
	s.SetLoggerV2(n.log, false, false, false)
	s.Start()
	if err := n.awaitReady(ctx); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, notePort(dir, o.Port)
}

// natsServerOptions are what a production server needs too: every write synced
// before it is acknowledged, and room for more open atomic batches than the
// default of 50 a stream, since those of workers that died count until they
// time out.
func natsServerOptions(dir, host string, port int) *server.Options {
	return &server.Options{
		ServerName: "connect-provider-local",
		Host:       host,
		Port:       port,
		JetStream:  true,
		StoreDir:   dir,
		SyncAlways: true,
		NoSigs:     true,
		JetStreamLimits: server.JSLimitOpts{
			MaxBatchInflightPerStream: 1000,
			MaxBatchInflightTotal:     10_000,
			MaxBatchTimeout:           5 * time.Second,
		},
	}
}

func (n *NATS) awaitReady(ctx context.Context) error {
	for {
		if n.server.ReadyForConnections(50 * time.Millisecond) {
			return nil
		}
		if fatal := n.log.fatalMessage(); fatal != "" {
			return fmt.Errorf("NATS did not start: %s", fatal)
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("NATS did not start in time: %w", context.Cause(ctx))
		}
	}
}

// ClientURL is where clients connect, in the form nats://host:port.
func (n *NATS) ClientURL() string {
	addr, ok := n.server.Addr().(*net.TCPAddr)
	if !ok {
		return n.server.ClientURL()
	}
	host := addr.IP.String()
	if addr.IP.IsUnspecified() {
		host = loopback
	}
	return "nats://" + net.JoinHostPort(host, strconv.Itoa(addr.Port))
}

// Close ends the server and waits until its files are closed.
func (n *NATS) Close() error {
	n.server.Shutdown()
	n.server.WaitForShutdown()
	return nil
}

// RunNATS is StartNATS as a whole program: it calls ready with the client URL
// and blocks until the context ends. A caller that wants a server it can kill
// runs itself again and calls this.
func RunNATS(ctx context.Context, o NATSOptions, ready func(url string)) error {
	n, err := StartNATS(ctx, o)
	if err != nil {
		return err
	}
	ready(n.ClientURL())
	<-ctx.Done()
	return n.Close()
}
