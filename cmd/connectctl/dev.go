package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"

	"connect-provider/cmd/internal/program"
	"connect-provider/deploy/local"
	"connect-provider/messages"
)

type devCommand struct {
	Data     string           `default:"${data_dir}" placeholder:"DIR" help:"Where everything is kept (default ${data_dir})."`
	NATS     string           `default:"127.0.0.1:4222" placeholder:"HOST:PORT" help:"Where NATS listens; port 0 is the one used last in the directory, else a free one (default 127.0.0.1:4222)."`
	Gateway  string           `default:"127.0.0.1:3001" placeholder:"HOST:PORT" help:"Where the REST gateway listens, port 0 for a free one; none is started if empty (default 127.0.0.1:3001)."`
	Postgres postgresSettings `embed:""`
	Log      program.Log      `embed:""`
}

func (c *devCommand) log() program.Log { return c.Log }

func (c *devCommand) problems(secrets *program.Secrets) []error {
	problems := c.Postgres.problems(secrets)
	if _, err := net.ResolveTCPAddr("tcp", c.NATS); err != nil {
		problems = append(problems, fmt.Errorf("--nats: %w; give host:port as in 127.0.0.1:4222", err))
	}
	if c.Gateway != "" {
		if _, err := net.ResolveTCPAddr("tcp", c.Gateway); err != nil {
			problems = append(problems, fmt.Errorf("--gateway: %w; give host:port as in 127.0.0.1:3001", err))
		}
	}
	return problems
}

// run keeps the system up until ctx ends. Whatever ended it last time, kill -9
// too, nothing accepted or decided is lost.
func (c *devCommand) run(ctx context.Context, p process) error {
	if err := c.natsIsFree(); err != nil {
		return err
	}
	var listener net.Listener
	if c.Gateway != "" {
		var err error
		if listener, err = net.Listen("tcp", c.Gateway); err != nil {
			return fmt.Errorf("the REST gateway can't listen: %w; choose another address with --gateway, such as --gateway 127.0.0.1:0 for any free port", err)
		}
		defer listener.Close() //nolint:errcheck // the gateway has closed it, if it ran
	}
	s, err := startSystem(ctx, local.Options{
		Dir: c.Data, NATSAddr: c.NATS, PostgresBin: c.Postgres.Bin, DatabaseURL: c.Postgres.DatabaseURL, Logger: p.logger,
	}, devStreams)
	if err != nil {
		return err
	}
	rest := ""
	if listener != nil {
		if err := s.startGateway(ctx, listener, filepath.Join(c.Data, demoTokenFile)); err != nil {
			return errors.Join(err, s.close())
		}
		rest = fmt.Sprintf("  REST %s  token %s", s.gateway.url, s.gateway.token)
	}
	fmt.Fprintf(p.stdout, "ready  NATS %s  database '%s'%s  publish with: %s\n", s.natsURL, s.databaseURL, rest, natsPublish(s.natsURL, exampleCommand))
	err = s.wait(ctx)
	if closing := s.close(); err == nil {
		err = closing
	}
	if err == nil {
		fmt.Fprintf(p.stdout, "stopped; the data stays in %s\n", c.Data)
	}
	return err
}

// devStreams are small: a server reserves the space for them at once.
var devStreams = messages.StreamOptions{InteractiveMaxBytes: 256 << 20, BulkMaxBytes: 1 << 30, EventsMaxBytes: 1 << 30}

// natsIsFree tells early, and with the way out, that somebody listens where
// NATS shall.
func (c *devCommand) natsIsFree() error {
	listener, err := net.Listen("tcp", c.NATS)
	if err != nil {
		return fmt.Errorf("NATS can't listen: %w; choose another address with --nats, such as --nats 127.0.0.1:0 for any free port", err)
	}
	return listener.Close()
}
