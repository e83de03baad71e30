package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"go.uber.org/zap"
)

// Options say what stack Start makes.
type Options struct {
	// Dir keeps everything: JetStream's store, the Postgres cluster, the ports.
	// It is made if missing. One stack at a time can use it.
	Dir string
	// NATSAddr is host:port for NATS. Empty is loopback with the port that Dir
	// remembers, else a free one.
	NATSAddr string
	// PostgresBin is the directory of the Postgres binaries. Empty looks for them.
	PostgresBin string
	// DatabaseURL names a Postgres that exists; then none is started.
	DatabaseURL string
	// Unsynced gives up safety against power loss for speed, in Postgres only.
	Unsynced bool
	// Logger may be nil.
	Logger *zap.Logger
}

// Stack is a running NATS and a Postgres, with the URLs to reach them.
type Stack struct {
	// NATSURL has no credentials: whoever can reach the address can connect.
	NATSURL string
	// DatabaseURL contains the password; mask it before it is logged.
	DatabaseURL string

	lock     *dirLock
	nats     *NATS
	postgres *Postgres
}

// Start brings both servers up and returns when they answer. It neither
// migrates the database nor creates streams. When it returns an error, nothing
// keeps running. The context bounds the start only, not the stack's life.
func Start(ctx context.Context, o Options) (*Stack, error) {
	dir, err := makeDir(o.Dir)
	if err != nil {
		return nil, err
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	s := &Stack{lock: lock, DatabaseURL: o.DatabaseURL}
	if err := s.start(ctx, dir, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Stack) start(ctx context.Context, dir string, o Options) error {
	if o.DatabaseURL == "" {
		p, err := StartPostgres(ctx, PostgresOptions{
			Dir: filepath.Join(dir, "postgres"), BinDir: o.PostgresBin, Unsynced: o.Unsynced, Logger: o.Logger,
		})
		if err != nil {
			return err
		}
		s.postgres, s.DatabaseURL = p, p.URL()
	}
	host, port, err := natsAddress(o.NATSAddr)
	if err != nil {
		return err
	}
	n, err := StartNATS(ctx, NATSOptions{Dir: filepath.Join(dir, "nats"), Host: host, Port: port, Logger: o.Logger})
	if err != nil {
		return err
	}
	s.nats, s.NATSURL = n, n.ClientURL()
	return nil
}

// Close ends NATS, then Postgres, waits for both, and releases the directory.
// Closing it again does nothing.
func (s *Stack) Close() error {
	var errs []error
	if s.nats != nil {
		errs = append(errs, s.nats.Close())
	}
	if s.postgres != nil {
		errs = append(errs, s.postgres.Close())
	}
	return errors.Join(append(errs, s.lock.release())...)
}

// PostgresDone is closed when the stack's own Postgres has ended, by Close or
// by itself. It is nil, and so never ready, where a DatabaseURL was given.
func (s *Stack) PostgresDone() <-chan struct{} {
	if s.postgres == nil {
		return nil
	}
	return s.postgres.Done()
}

func natsAddress(addr string) (host string, port int, err error) {
	if addr == "" {
		return "", 0, nil
	}
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("NATS address %q: want host:port: %w", addr, err)
	}
	if port, err = strconv.Atoi(p); err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("NATS address %q: %q is no port", addr, p)
	}
	return host, port, nil
}

// makeDir makes the directory and gives its one true path, so that comparing
// paths (a leftover's against ours) is comparing directories.
func makeDir(dir string) (string, error) {
	if dir == "" {
		return "", errors.New("the local stack needs a directory")
	}
	mode := os.FileMode(0o700)
	if os.Geteuid() == 0 {
		mode = 0o711 // the server's own account must be able to pass through
	}
	if err := os.MkdirAll(dir, mode); err != nil {
		return "", fmt.Errorf("directory of the local stack: %w", err)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("directory of the local stack: %w", err)
	}
	return filepath.EvalSymlinks(abs)
}
