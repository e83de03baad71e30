package bench

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// measurement is what is read before and after something is measured: the use of
// the machine, what the workers have counted, and how much WAL there is.
type measurement struct {
	bench   *bench
	watch   *watch
	metrics metrics
	wal     string // empty where it can't be read
}

// begin begins to measure. Workers that are started later count from zero.
func (b *bench) begin(ctx context.Context) (*measurement, error) {
	m := &measurement{bench: b}
	var err error
	if m.metrics, err = readMetrics(ctx, b.system.Workers.Metrics(), b.options.Class); err != nil {
		return nil, err
	}
	if m.wal, err = b.walPosition(ctx); err != nil {
		return nil, err
	}
	m.watch = startWatch(ctx, func() []Process { return append(b.system.Workers.Processes(), b.system.Processes...) })
	return m, nil
}

// read notes what has happened up to now. It can be called again.
func (m *measurement) read(ctx context.Context, run *Run) error {
	run.Processes = m.watch.usages(ctx)
	system := m.bench.system
	if urls := system.Workers.Metrics(); len(urls) > 0 {
		after, err := readMetrics(ctx, urls, m.bench.options.Class)
		if err != nil {
			return err
		}
		run.Batches, run.Stages = between(m.metrics, after, run.Commands)
	}
	if m.wal == "" {
		return nil
	}
	var bytes float64
	if err := system.Database.QueryRow(ctx, "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1::text::pg_lsn)::float8", m.wal).Scan(&bytes); err != nil {
		return fmt.Errorf("position in the WAL: %w", err)
	}
	bytes /= float64(run.Commands)
	run.WALPerCommand = &bytes
	return nil
}

// walPosition is where the database's next WAL goes, empty if the user may not
// know it.
func (b *bench) walPosition(ctx context.Context) (position string, err error) {
	const sql = "select pg_current_wal_insert_lsn()::text where has_function_privilege('pg_current_wal_insert_lsn()', 'execute')"
	err = b.system.Database.QueryRow(ctx, sql).Scan(&position)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("position in the WAL: %w", err)
	}
	return position, nil
}
