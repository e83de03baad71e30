package main

import (
	"context"
	"time"

	"go.uber.org/zap"

	"connect-provider/cmd/internal/connection"
	"connect-provider/cmd/internal/program"
	"connect-provider/cmd/internal/serve"
	"connect-provider/cmd/internal/tracing"
)

type workerCommand struct {
	Database connection.Database `embed:""`
	NATS     connection.NATS     `embed:""`
	Settings workerSettings      `embed:"" envprefix:"CONNECT_PROVIDER_"`
	Listen   string              `env:"CONNECT_PROVIDER_LISTEN" default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Where /livez, /readyz and /metrics are served, nowhere if empty (default 127.0.0.1:8080)."`
	Log      program.Log         `embed:""`
	Tracing  tracing.Settings    `kong:"-"` // OpenTelemetry's own variables
}

func (c *workerCommand) log() program.Log { return c.Log }

func (c *workerCommand) problems(secrets *program.Secrets) []error {
	problems := append(c.Database.Resolve(secrets), c.NATS.Resolve(secrets)...)
	problems = append(problems, c.Tracing.Resolve(secrets)...)
	return append(problems, c.Settings.config().Validate(), checkListen(c.Listen))
}

// run works until ctx ends and the worker has drained.
func (c *workerCommand) run(ctx context.Context, p process) error {
	config := c.Settings.config()
	spans, err := c.Tracing.Start(ctx, "connect-provider", config.Name, p.logger)
	if err != nil {
		return err
	}
	defer spans.Stop()
	config.TracerProvider = spans.Provider()
	defer p.tellDraining(ctx, "finishing the batches at hand", config.DrainTimeout)()
	return serve.Worker{Config: config, Database: c.Database, NATS: c.NATS, Listen: c.Listen, Logger: p.logger}.Run(ctx)
}

// tellDraining logs when ctx ends, not later than the returned function does.
func (p process) tellDraining(ctx context.Context, what string, atMost time.Duration) (done func()) {
	told := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(told)
		p.logger.Info("draining; a second signal aborts", zap.String("by", what), zap.Duration("at_most", atMost))
	})
	return func() {
		if !stop() {
			<-told
		}
	}
}
