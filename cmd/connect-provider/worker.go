package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	group "github.com/oklog/run"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"connect-provider/cmd/internal/connection"
	"connect-provider/cmd/internal/program"
	"connect-provider/cmd/internal/tracing"
	"connect-provider/worker"
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

// memoryLimit is what the heap grows to before the garbage collector gives up
// speed for space, unless GOMEMLIMIT says otherwise. What a worker holds at
// full load is half of it.
const memoryLimit = 112 << 20

// run works until ctx ends and the worker has drained. What was opened first is
// closed last; the listener stays while the worker drains, so that readiness
// and metrics can be seen.
func (c *workerCommand) run(ctx context.Context, p process) error {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	config := c.Settings.config()
	spans, err := c.Tracing.Start(ctx, "connect-provider", config.Name, p.logger)
	if err != nil {
		return err
	}
	defer spans.Stop()
	config.TracerProvider = spans.Provider()
	pool, err := worker.NewPool(context.WithoutCancel(ctx), c.Database.PoolURL(), c.Settings.InFlight)
	if err != nil {
		return err
	}
	defer pool.Close()
	nc, err := c.NATS.Keep("connect-provider worker "+config.Name, p.logger)
	if err != nil {
		return fmt.Errorf("NATS: %w", err)
	}
	defer nc.Close()
	registry := prometheus.NewRegistry()
	config.Database, config.NATS, config.Logger, config.Registerer = pool, nc, p.logger, registry
	w, err := worker.New(config)
	if err != nil {
		return err
	}

	var actors group.Group
	workCtx, drain := context.WithCancel(ctx)
	defer drain()
	actors.Add(func() error { return w.Run(workCtx) }, func(error) { drain() })
	if c.Listen != "" {
		health, err := listen(c.Listen, registry, w.Ready, p.logger)
		if err != nil {
			return err
		}
		actors.Add(health.serve, func(error) { health.close() })
	}
	defer p.tellDraining(ctx, "finishing the batches at hand", config.DrainTimeout)()
	return actors.Run()
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
