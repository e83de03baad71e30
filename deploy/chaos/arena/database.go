package arena

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/jackc/pgx/v5"

	"connect-provider/deploy/faults"
	"connect-provider/deploy/local"
)

// settings let the judge see when transactions committed, and the cluster be
// copied and followed.
var settings = map[string]string{
	"track_commit_timestamp": "on",
	"wal_level":              "replica", "max_wal_senders": "10", "wal_keep_size": "1GB", "hot_standby": "on",
	"max_connections": "200",
}

// Database is the Postgres server that the workers use, which may become
// another one.
type Database struct {
	// Mu is held by whoever harms the server.
	Mu sync.Mutex

	dir    string
	copies int
	lines  []*faults.Line // that lead to it

	mu      sync.Mutex
	server  *local.Postgres
	standby *local.Postgres // nil unless there is one
}

func startDatabase(ctx context.Context, dir string) (*Database, error) {
	d := &Database{dir: filepath.Join(dir, "postgres-0")}
	server, err := d.start(ctx, d.dir, 0)
	d.server = server
	return d, err
}

// start starts a server. It survives kill -9 without syncing.
func (d *Database) start(ctx context.Context, dir string, port int) (*local.Postgres, error) {
	if port == 0 {
		var err error
		if port, err = local.FreePort("127.0.0.1"); err != nil {
			return nil, err
		}
	}
	return local.StartPostgres(ctx, local.PostgresOptions{Dir: dir, Port: port, Unsynced: true, Settings: settings})
}

func (d *Database) current() *local.Postgres {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.server
}

func (d *Database) become(server *local.Postgres) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.server = server
}

// Connect connects beside the lines.
func (d *Database) Connect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.Connect(ctx, d.current().URL())
}

// Kill is kill -9 of the postmaster.
func (d *Database) Kill() error { return d.current().Kill() }

// Stop is an orderly end: sessions are ended, a checkpoint is written.
func (d *Database) Stop() error { return d.current().Close() }

// Start starts the server again where it was.
func (d *Database) Start(ctx context.Context) error {
	server, err := d.start(ctx, d.dir, d.current().Port())
	if err == nil {
		d.become(server)
	}
	return err
}

// Pause stops all processes of the server where they are.
func (d *Database) Pause(ctx context.Context) error {
	return faults.PauseCluster(ctx, faults.LocalShell, d.current().DataDir())
}

// Resume ends Pause.
func (d *Database) Resume(ctx context.Context) error {
	return faults.ResumeCluster(ctx, faults.LocalShell, d.current().DataDir())
}

// Backup copies the running cluster and returns where to.
func (d *Database) Backup(ctx context.Context) (dir string, err error) {
	d.copies++
	dir = filepath.Join(d.dir, fmt.Sprintf("backup-%d", d.copies))
	return dir, faults.CopyCluster(ctx, d.current().URL(), faults.LocalShell, d.current().DataDir(), dir)
}

// Restore kills the server and starts it on a backup.
func (d *Database) Restore(ctx context.Context, backup string) error {
	if err := d.Kill(); err != nil {
		return err
	}
	// children of the killed server may be writing still
	err := insist(ctx, func(ctx context.Context) error {
		return faults.RestoreCluster(ctx, faults.LocalShell, d.current().DataDir(), backup)
	})
	if err != nil {
		return err
	}
	return errors.Join(d.Start(ctx), os.RemoveAll(backup))
}

// Standby is a server that follows the database, or lags.
type Standby struct {
	database *Database
	dir      string
	server   *local.Postgres
}

// Follow makes a standby.
func (d *Database) Follow(ctx context.Context) (*Standby, error) {
	d.copies++
	s := &Standby{database: d, dir: filepath.Join(filepath.Dir(d.dir), fmt.Sprintf("postgres-%d", d.copies))}
	if err := faults.PrepareLocal(ctx, d.dir, s.dir); err != nil {
		return nil, err
	}
	data, primary := filepath.Join(s.dir, "data"), d.current().URL()
	if err := faults.CopyCluster(ctx, primary, faults.LocalShell, d.current().DataDir(), data); err != nil {
		return nil, err
	}
	if err := faults.MakeStandby(ctx, faults.LocalShell, data, primary); err != nil {
		return nil, err
	}
	var err error
	s.server, err = d.start(ctx, s.dir, 0)
	d.standby = s.server
	return s, err
}

// Lag makes the standby receive nothing any more.
func (s *Standby) Lag(ctx context.Context) error {
	return faults.StopReceiving(ctx, s.server.URL())
}

// Promote kills the primary and puts the standby in its place.
func (s *Standby) Promote(ctx context.Context) error {
	d := s.database
	former := d.dir
	if err := d.Kill(); err != nil {
		return err
	}
	if err := faults.Promote(ctx, s.server.URL()); err != nil {
		return err
	}
	d.dir, d.standby = s.dir, nil
	d.become(s.server)
	for _, line := range d.lines {
		line.Redirect(s.server.URL())
	}
	return removeAll(ctx, former)
}

// removeAll removes a directory in which children of a killed server may be
// writing still.
func removeAll(ctx context.Context, dir string) error {
	return insist(ctx, func(context.Context) error { return os.RemoveAll(dir) })
}

// close ends all servers.
func (d *Database) close() error {
	var errs []error
	for _, server := range []*local.Postgres{d.standby, d.current()} {
		if server != nil {
			errs = append(errs, server.Close())
		}
	}
	return errors.Join(errs...)
}
