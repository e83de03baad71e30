package design

import (
	"context"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"connect-provider/deploy/bench/bed"
	"connect-provider/worker"
)

// product is this project's worker with the settings it has by default.
var product = Design{
	Name: "worker", Title: "connect-provider's worker",
	Prepare: func(ctx context.Context, t Task) (func(context.Context) error, error) {
		return Worker(ctx, t.Bed)
	},
}

// Worker returns what runs a worker in this process until its context ends.
func Worker(ctx context.Context, b *bed.Bed) (work func(context.Context) error, err error) {
	config := worker.DefaultConfig()
	if config.Database, err = worker.NewPool(context.WithoutCancel(ctx), b.DatabaseURL, config.InFlight); err != nil {
		return nil, err
	}
	if config.NATS, err = nats.Connect(b.NATSURL, nats.MaxReconnects(-1), nats.ReconnectBufSize(-1)); err != nil {
		config.Database.Close()
		return nil, err
	}
	config.Name, config.Version = "bench", "bench"
	config.Logger, config.Registerer = zap.NewNop(), prometheus.NewRegistry()
	w, err := worker.New(config)
	if err != nil {
		config.NATS.Close()
		config.Database.Close()
		return nil, err
	}
	return func(ctx context.Context) error {
		defer config.Database.Close()
		defer config.NATS.Close()
		return w.Run(ctx)
	}, nil
}
