package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/cmd/internal/bench"
	"connect-provider/cmd/internal/connection"
	"connect-provider/cmd/internal/program"
	"connect-provider/deploy/local"
	"connect-provider/deploy/migrations"
	"connect-provider/messages"
	"connect-provider/worker"
)

// embeddedSystem is a system on this machine of which each part is a process of
// its own, so that what it uses of the machine can be told.
type embeddedSystem struct {
	dir      string
	remove   func() error
	postgres *local.Postgres
	nats     *benchPart
	workers  *benchWorkers
	database connection.Database
	server   connection.NATS
	pool     *pgxpool.Pool
	nc       *nats.Conn
	js       jetstream.JetStream
}

// embed stands a system up in a temporary directory, every write synced. The
// caller calls end, which removes all of it.
func (s *benchSettings) embed(ctx context.Context, p process, o bench.Options, screen *screen) (system *bench.System, end func() error, err error) {
	screen.step("Starting PostgreSQL and NATS")
	e := &embeddedSystem{}
	if err := e.start(ctx, p, s, o); err != nil {
		return nil, nil, errors.Join(err, e.end())
	}
	return &bench.System{
		Embedded: true, NATS: e.nc, JetStream: e.js, Database: e.pool, DataDir: e.dir,
		Workers: e.workers, Started: s.Workers,
		Processes: []bench.Process{
			bench.ProcessOf("NATS", e.nats.pid()), bench.ServerOf("PostgreSQL", e.postgres.Pid()), bench.Self("this benchmark"),
		},
	}, e.end, nil
}

func (e *embeddedSystem) start(ctx context.Context, p process, s *benchSettings, o bench.Options) (err error) {
	if e.dir, e.remove, err = local.TempDir("connectctl-bench", benchBases()...); err != nil {
		return err
	}
	e.postgres, err = local.StartPostgres(ctx, local.PostgresOptions{Dir: filepath.Join(e.dir, "postgres"), BinDir: s.PostgresBin, Logger: p.logger})
	if err != nil {
		return err
	}
	if e.nats, e.server.URL, err = startBenchNATS(ctx, p, filepath.Join(e.dir, "nats")); err != nil {
		return err
	}
	e.database.URL = e.postgres.URL()
	secrets := &program.Secrets{}
	if err := errors.Join(append(e.database.Resolve(secrets), e.server.Resolve(secrets)...)...); err != nil {
		return err
	}
	e.workers = &benchWorkers{process: p, number: s.Workers, databaseURL: e.postgres.URL(), natsURL: e.server.URL}
	if err := migrations.Up(ctx, e.database.SessionURL()); err != nil {
		return err
	}
	if e.pool, err = worker.NewPool(context.WithoutCancel(ctx), e.database.PoolURL(), worker.DefaultConfig().InFlight); err != nil {
		return err
	}
	if e.nc, err = e.server.Keep("connectctl bench", p.logger); err != nil {
		return err
	}
	if e.js, err = jetstream.New(e.nc); err != nil {
		return err
	}
	_, _, err = worker.EnsureStreams(ctx, e.js, benchStreams(o), false)
	return err
}

// benchBases is where the data is to be: on a disk. /tmp is often in memory.
func benchBases() []string {
	if os.Getenv("TMPDIR") != "" {
		return nil
	}
	return []string{"/var/tmp"}
}

// benchStreams have room for all that is measured: a server reserves it at once.
func benchStreams(o bench.Options) messages.StreamOptions {
	commands := int64(o.Most())
	size := func(each int64) int64 { return 256<<20 + each*commands }
	return messages.StreamOptions{InteractiveMaxBytes: size(1 << 10), BulkMaxBytes: size(1 << 10), EventsMaxBytes: size(2 << 10)}
}

// end ends everything in the reverse order of its start, and removes it.
func (e *embeddedSystem) end() error {
	var errs []error
	if e.workers != nil {
		errs = append(errs, e.workers.stop())
	}
	if e.nc != nil {
		e.nc.Close()
	}
	if e.pool != nil {
		e.pool.Close()
	}
	if e.nats != nil {
		errs = append(errs, e.nats.end())
	}
	if e.postgres != nil {
		errs = append(errs, e.postgres.Close())
	}
	if e.remove != nil {
		errs = append(errs, e.remove())
	}
	return errors.Join(errs...)
}
