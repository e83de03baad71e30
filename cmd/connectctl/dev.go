package main

import (
	"context"
	"fmt"
	"net"

	"connect-provider/cmd/internal/program"
	"connect-provider/deploy/local"
	"connect-provider/messages"
)

type devCommand struct {
	Data     string           `default:"${data_dir}" placeholder:"DIR" help:"Where everything is kept (default ${data_dir})."`
	NATS     string           `default:"127.0.0.1:4222" placeholder:"HOST:PORT" help:"Where NATS listens; port 0 is the one used last in the directory, else a free one (default 127.0.0.1:4222)."`
	Postgres postgresSettings `embed:""`
	Log      program.Log      `embed:""`
}

func (c *devCommand) log() program.Log { return c.Log }

func (c *devCommand) problems(secrets *program.Secrets) []error {
	problems := c.Postgres.problems(secrets)
	if _, err := net.ResolveTCPAddr("tcp", c.NATS); err != nil {
		problems = append(problems, fmt.Errorf("--nats: %w; give host:port as in 127.0.0.1:4222", err))
	}
	return problems
}

// run keeps the system up until ctx ends. Whatever ended it last time, kill -9
// too, nothing accepted or decided is lost.
func (c *devCommand) run(ctx context.Context, p process) error {
	if err := c.natsIsFree(); err != nil {
		return err
	}
	s, err := startSystem(ctx, local.Options{
		Dir: c.Data, NATSAddr: c.NATS, PostgresBin: c.Postgres.Bin, DatabaseURL: c.Postgres.DatabaseURL, Logger: p.logger,
	}, devStreams)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "ready  NATS %s  database '%s'  publish with: %s\n", s.natsURL, s.databaseURL, natsPublish(s.natsURL, exampleCommand))
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
