package serve

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"

	group "github.com/oklog/run"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"connect-provider/cmd/internal/connection"
	"connect-provider/worker"
)

// memoryLimit (bytes) is what the process may take before the garbage collector
// gives up speed for space, unless GOMEMLIMIT says otherwise. What a worker holds
// at full load is half of it.
const memoryLimit = 92 << 20

// Worker is a process that is a worker.
type Worker struct {
	// Config needs neither Database, NATS, Logger nor Registerer.
	Config worker.Config
	// Database and NATS have been resolved.
	Database connection.Database
	NATS     connection.NATS
	// Listen is host:port of the listener for health and metrics; none if empty.
	Listen string
	Logger *zap.Logger
}

// Run works until ctx ends and the worker has drained. What was opened first is
// closed last; the listener stays while the worker drains, so that readiness
// and metrics can be seen. It sets how the process
// collects garbage, unless GOMEMLIMIT and GOGC do.
func (w Worker) Run(ctx context.Context) error {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(worker.GCPercent)
	}
	config := w.Config
	pool, err := worker.NewPool(context.WithoutCancel(ctx), w.Database.PoolURL(), config.InFlight)
	if err != nil {
		return err
	}
	defer pool.Close()
	nc, err := w.NATS.Keep("connect-provider worker "+config.Name, w.Logger)
	if err != nil {
		return fmt.Errorf("NATS: %w", err)
	}
	defer nc.Close()
	registry := prometheus.NewRegistry()
	config.Database, config.NATS, config.Logger, config.Registerer = pool, nc, w.Logger, registry
	running, err := worker.New(config)
	if err != nil {
		return err
	}
	var actors group.Group
	workCtx, drain := context.WithCancel(ctx)
	defer drain()
	actors.Add(func() error { return running.Run(workCtx) }, func(error) { drain() })
	if w.Listen != "" {
		health, err := Listen(w.Listen, registry, running.Ready, w.Logger)
		if err != nil {
			return err
		}
		actors.Add(health.Serve, func(error) { health.Close() })
	}
	return actors.Run()
}
