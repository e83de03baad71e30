package bed

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/deploy/faults"
	"connect-provider/deploy/local"
	"connect-provider/deploy/migrations"
	"connect-provider/messages"
	"connect-provider/worker"
)

// Bed is a Postgres and a NATS of its own, migrated and with the streams, both
// syncing every write.
type Bed struct {
	DatabaseURL string
	NATSURL     string
	// Pool and NC are for preparing and checking; designs open their own.
	Pool *pgxpool.Pool
	NC   *nats.Conn
	JS   jetstream.JetStream

	postgres *local.Postgres
	nats     *faults.NATSProcess
	remove   func() error
}

// connections is what Postgres allows, for the designs that open many.
const connections = 300

// Start starts the servers and makes sure that they sync. The program must be one
// that faults.NATSProcessRequested is asked in. After an error nothing is left.
func Start(ctx context.Context, streams messages.StreamOptions) (*Bed, error) {
	return start(ctx, streams, map[string]string{"max_connections": fmt.Sprint(connections)})
}

// StartCounting is Start of servers of which Statements can be asked. Postgres needs
// its contrib module pg_stat_statements for that.
func StartCounting(ctx context.Context, streams messages.StreamOptions) (*Bed, error) {
	b, err := start(ctx, streams, map[string]string{"shared_preload_libraries": "pg_stat_statements"})
	if err != nil {
		return nil, fmt.Errorf("start with pg_stat_statements, which Postgres's contrib package brings: %w", err)
	}
	if _, err := b.Pool.Exec(ctx, "create extension pg_stat_statements"); err != nil {
		return nil, errors.Join(fmt.Errorf("count statements: %w", err), b.Close())
	}
	return b, nil
}

func start(ctx context.Context, streams messages.StreamOptions, settings map[string]string) (*Bed, error) {
	dir, remove, err := local.TempDir("connect-provider-bench")
	if err != nil {
		return nil, err
	}
	b := &Bed{remove: remove}
	if err := b.start(ctx, dir, streams, settings); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

func (b *Bed) start(ctx context.Context, dir string, streams messages.StreamOptions, settings map[string]string) (err error) {
	b.postgres, err = local.StartPostgres(ctx, local.PostgresOptions{Dir: filepath.Join(dir, "postgres"), Settings: settings})
	if err != nil {
		return err
	}
	b.DatabaseURL = b.postgres.URL()
	if err := migrations.Up(ctx, b.DatabaseURL); err != nil {
		return err
	}
	if b.Pool, err = worker.NewPool(context.WithoutCancel(ctx), b.DatabaseURL, 2); err != nil {
		return err
	}
	if err := b.demandSyncing(ctx); err != nil {
		return err
	}
	port, err := local.FreePort("127.0.0.1")
	if err != nil {
		return err
	}
	b.nats = faults.NewNATSProcess(filepath.Join(dir, "nats"), port)
	if err := b.nats.Start(ctx); err != nil {
		return err
	}
	b.NATSURL = b.nats.URL()
	if b.NC, err = nats.Connect(b.NATSURL); err != nil {
		return err
	}
	if b.JS, err = jetstream.New(b.NC); err != nil {
		return err
	}
	_, _, err = worker.EnsureStreams(ctx, b.JS, streams, false)
	return err
}

// demandSyncing returns an error unless what is committed is on disk. NATS can't
// be asked: that it syncs each write is how faults.NATSProcess starts it.
func (b *Bed) demandSyncing(ctx context.Context) error {
	for _, setting := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
		var value string
		if err := b.Pool.QueryRow(ctx, "select current_setting($1)", setting).Scan(&value); err != nil {
			return err
		}
		if value != "on" {
			return fmt.Errorf("Postgres has %s %s: nothing is measured without durability", setting, value)
		}
	}
	return nil
}

// Close ends the servers and deletes what they stored.
func (b *Bed) Close() error {
	var errs []error
	if b.NC != nil {
		b.NC.Close()
	}
	if b.Pool != nil {
		b.Pool.Close()
	}
	if b.nats != nil {
		errs = append(errs, b.nats.Stop())
	}
	if b.postgres != nil {
		errs = append(errs, b.postgres.Close())
	}
	return errors.Join(append(errs, b.remove())...)
}

// PostgresVersion is what the server calls itself, such as "15.8".
func (b *Bed) PostgresVersion(ctx context.Context) (version string, err error) {
	err = b.Pool.QueryRow(ctx, "select split_part(current_setting('server_version'), ' ', 1)").Scan(&version)
	return version, err
}

// Statements is how many statements of whoever has run since the server started,
// those that begin and end transactions too. The bed must be of StartCounting.
func (b *Bed) Statements(ctx context.Context) (n int, err error) {
	err = b.Pool.QueryRow(ctx, "select coalesce(sum(calls), 0)::bigint from pg_stat_statements").Scan(&n)
	return n, err
}

// AwaitWorkers waits until all lanes are owned, by so many workers, a minute at most.
func (b *Bed) AwaitWorkers(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		var owners, free int
		if err := b.Pool.QueryRow(ctx, "select count(distinct owner), count(*) filter (where owner is null) from connect_provider.lanes").Scan(&owners, &free); err != nil {
			return err
		}
		if owners == n && free == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d workers own lanes, and %d lanes are free: %w", owners, free, context.Cause(ctx))
		}
	}
}

// Events is how many events the events stream has stored since it was made.
func (b *Bed) Events(ctx context.Context) (int, error) {
	stream, err := b.JS.Stream(ctx, messages.EventsStream)
	if err != nil {
		return 0, err
	}
	return int(stream.CachedInfo().State.LastSeq), nil
}

// AwaitEvents waits until there are n events.
func (b *Bed) AwaitEvents(ctx context.Context, n int) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		stored, err := b.Events(ctx)
		if err != nil {
			return err
		}
		if stored >= n {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d events: %w", stored, n, context.Cause(ctx))
		}
	}
}

// DemandEvents returns an error unless there are exactly n events.
func (b *Bed) DemandEvents(ctx context.Context, n int) error {
	stored, err := b.Events(ctx)
	if err == nil && stored != n {
		err = fmt.Errorf("%d events, want %d", stored, n)
	}
	return err
}
