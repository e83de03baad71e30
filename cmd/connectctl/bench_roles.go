package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"

	"connect-provider/cmd/internal/connection"
	"connect-provider/cmd/internal/program"
	"connect-provider/cmd/internal/serve"
	"connect-provider/deploy/local"
	"connect-provider/worker"
)

// whileStdin returns a context that ends when standard input does, and not by a
// signal: Ctrl-C on a terminal reaches this process too, and the one that has
// started it ends its parts in its own order.
func whileStdin(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return ctx
}

// benchNATSCommand is the server of an embedded system.
type benchNATSCommand struct {
	Dir string      `required:"" help:"Where it keeps its store."`
	Log program.Log `embed:""`
}

func (c *benchNATSCommand) log() program.Log { return c.Log }

func (c *benchNATSCommand) problems(*program.Secrets) []error { return nil }

// run prints the URL when clients can connect.
func (c *benchNATSCommand) run(ctx context.Context, p process) error {
	return local.RunNATS(whileStdin(ctx), local.NATSOptions{Dir: c.Dir, Logger: p.logger}, func(url string) { fmt.Fprintln(p.stdout, url) })
}

// startBenchNATS starts the server with its store in a directory, and returns its
// URL.
func startBenchNATS(ctx context.Context, p process, dir string) (*benchPart, string, error) {
	part, err := startBenchPart(p, []string{"nats", "--dir", dir})
	if err != nil {
		return nil, "", err
	}
	url, err := part.awaitLine(ctx)
	if err != nil {
		return part, "", fmt.Errorf("NATS: %w", err)
	}
	return part, url, nil
}

// benchWorkerCommand is a worker as `connect-provider worker` is one, with the
// defaults.
type benchWorkerCommand struct {
	Listen   string              `required:"" help:"Where health and metrics are served."`
	Database connection.Database `embed:""`
	NATS     connection.NATS     `embed:""`
	Log      program.Log         `embed:""`
}

func (c *benchWorkerCommand) log() program.Log { return c.Log }

func (c *benchWorkerCommand) problems(secrets *program.Secrets) []error {
	problems := append(c.Database.Resolve(secrets), c.NATS.Resolve(secrets)...)
	if _, err := net.ResolveTCPAddr("tcp", c.Listen); err != nil {
		problems = append(problems, fmt.Errorf("--listen: %w", err))
	}
	return problems
}

func (c *benchWorkerCommand) run(ctx context.Context, p process) error {
	config := worker.DefaultConfig()
	config.Name, config.Version = fmt.Sprintf("connectctl:%d", os.Getpid()), program.Version()
	return serve.Worker{Config: config, Database: c.Database, NATS: c.NATS, Listen: c.Listen, Logger: p.logger}.Run(whileStdin(ctx))
}
