package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"connect-provider/cmd/internal/connection"
	"connect-provider/cmd/internal/program"
	"connect-provider/deploy/demo"
	"connect-provider/deploy/local"
	"connect-provider/deploy/migrations"
	"connect-provider/messages"
	"connect-provider/worker"
)

// system is the whole product on one machine, in one process but for Postgres.
type system struct {
	natsURL     string
	databaseURL string
	js          jetstream.JetStream
	pool        *pgxpool.Pool

	stack  *local.Stack
	nc     *nats.Conn
	logger *zap.Logger
	worker *runningWorker
	// gateway is nil unless startGateway was called.
	gateway *runningGateway
}

// startSystem brings everything up, the demo organizations loaded and a worker
// ready. When it returns an error, nothing keeps running.
func startSystem(ctx context.Context, options local.Options, streams messages.StreamOptions) (*system, error) {
	stack, err := local.Start(ctx, options)
	if err != nil {
		return nil, err
	}
	s := &system{stack: stack, natsURL: stack.NATSURL, databaseURL: stack.DatabaseURL, logger: options.Logger}
	if err := s.prepare(ctx, streams); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *system) prepare(ctx context.Context, streams messages.StreamOptions) (err error) {
	database := connection.Database{URL: s.databaseURL}
	secrets := &program.Secrets{}
	server := connection.NATS{URL: s.natsURL}
	if err := errors.Join(append(database.Resolve(secrets), server.Resolve(secrets)...)...); err != nil {
		return err
	}
	if err := migrations.Up(ctx, database.SessionURL()); err != nil {
		return err
	}
	if s.pool, err = worker.NewPool(context.WithoutCancel(ctx), database.PoolURL(), worker.DefaultConfig().InFlight); err != nil {
		return err
	}
	if s.nc, err = server.Keep("connectctl", s.logger); err != nil {
		return err
	}
	if s.js, err = jetstream.New(s.nc); err != nil {
		return err
	}
	// what differs and is fatal, the worker refuses below, with the reason
	if _, _, err = worker.EnsureStreams(ctx, s.js, streams, false); err != nil {
		return err
	}
	if err := demo.Load(ctx, s.pool); err != nil {
		return err
	}
	return s.startWorker(ctx)
}

// isUnused tells whether a database that was given has decided commands: their
// ids would be taken.
func (s *system) isUnused(ctx context.Context) error {
	var used bool
	err := s.pool.QueryRow(ctx, "select exists (select from connect_provider.inbox)").Scan(&used)
	if err == nil && used {
		err = errors.New("commands were decided in this database before; give the demo an empty one")
	}
	return err
}

// runningWorker is a worker in this process.
type runningWorker struct {
	worker *worker.Worker
	drain  context.CancelFunc
	ended  chan struct{}
	err    error // once ended
}

// startWorker starts a worker and waits until it is ready.
func (s *system) startWorker(ctx context.Context) error {
	config := worker.DefaultConfig()
	config.Name, config.Version = fmt.Sprintf("connectctl:%d", os.Getpid()), program.Version()
	// a process that was killed keeps its lanes from this one for so long
	config.LeaseTTL = 2 * time.Second
	config.Database, config.NATS, config.Logger, config.Registerer = s.pool, s.nc, s.logger, prometheus.NewRegistry()
	w, err := worker.New(config)
	if err != nil {
		return err
	}
	running, drain := context.WithCancel(context.WithoutCancel(ctx))
	r := &runningWorker{worker: w, drain: drain, ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		r.err = w.Run(running)
	}()
	s.worker = r
	return r.awaitReady(ctx)
}

// stopWorker has the worker finish what it is at, and waits for it.
func (s *system) stopWorker() error {
	if s.worker == nil {
		return nil
	}
	s.worker.drain()
	<-s.worker.ended
	err := s.worker.err
	s.worker = nil
	return err
}

// wait returns when ctx ends, or with an error when a part of the system has
// ended by itself.
func (s *system) wait(ctx context.Context) error {
	var gatewayEnded <-chan struct{} // never, without one
	if s.gateway != nil {
		gatewayEnded = s.gateway.ended
	}
	select {
	case <-ctx.Done():
		return nil
	case <-gatewayEnded:
		return fmt.Errorf("the gateway ended: %w", s.gateway.err)
	case <-s.worker.ended:
		return fmt.Errorf("the worker ended: %w", s.worker.err)
	case <-s.stack.PostgresDone():
		return errors.New("the private Postgres ended by itself; its log is the file postgres/log in the data directory")
	}
}

// close ends everything in the reverse order of its start.
func (s *system) close() error {
	var errs []error
	if s.gateway != nil {
		errs = append(errs, s.gateway.close())
	}
	errs = append(errs, s.stopWorker())
	if s.nc != nil {
		s.nc.Close()
	}
	if s.pool != nil {
		s.pool.Close()
	}
	return errors.Join(append(errs, s.stack.Close())...)
}
