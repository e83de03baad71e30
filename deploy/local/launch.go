package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// startLimit bounds a start whose context has no deadline. Recovery after a
// crash replays at most some minutes of WAL.
const startLimit = 2 * time.Minute

// launch runs the server until connections succeed. It is started again where
// that helps: somebody took the port at the last moment, or children of a
// killed predecessor have not all ended.
func (p *Postgres) launch(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, errors.New("the server did not become ready"))
	defer cancel()
	again := backoff.WithContext(backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(50*time.Millisecond), backoff.WithMaxInterval(500*time.Millisecond), backoff.WithMaxElapsedTime(30*time.Second)), ctx)
	return backoff.Retry(func() error {
		err := p.launchOnce(ctx)
		if err != nil && !p.worthAnotherStart() {
			return backoff.Permanent(err)
		}
		return err
	}, again)
}

func (p *Postgres) launchOnce(ctx context.Context) (err error) {
	if p.port = p.options.Port; p.port == 0 {
		if p.port, err = rememberedPort(p.dir, loopback); err != nil {
			return fmt.Errorf("local Postgres: %w", err)
		}
	}
	log, err := p.openLog()
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the server has its own descriptor
	if p.process, err = startProcess(p.command(log)); err != nil {
		return err
	}
	if err := p.awaitReady(ctx); err != nil {
		return errors.Join(err, p.Close())
	}
	return nil
}

// openLog begins a new log and keeps the one before, which tells why the last
// server ended.
func (p *Postgres) openLog() (*os.File, error) {
	_ = os.Rename(p.LogFile(), p.LogFile()+".previous") // there may be none
	f, err := os.OpenFile(p.LogFile(), os.O_CREATE|os.O_WRONLY|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log of the local Postgres: %w", err)
	}
	return f, nil
}

func (p *Postgres) awaitReady(ctx context.Context) error {
	wait := backoff.WithContext(backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(10*time.Millisecond), backoff.WithMaxInterval(200*time.Millisecond), backoff.WithMaxElapsedTime(0)), ctx)
	err := backoff.Retry(func() error {
		if p.process.ended() {
			return backoff.Permanent(errors.New("the server ended"))
		}
		return p.ping(ctx)
	}, wait)
	if err != nil {
		return fmt.Errorf("local Postgres did not start: %w\n%s", err, p.logTail())
	}
	return nil
}

// ping connects, and makes the database where it is missing still.
func (p *Postgres) ping(ctx context.Context) error {
	err := connectAndRun(ctx, p.URL(), "SELECT 1")
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "3D000" { // invalid_catalog_name
		err = connectAndRun(ctx, p.urlOf("postgres"), "CREATE DATABASE "+databaseName)
	}
	if errors.As(err, &refused) && strings.HasPrefix(refused.Code, "28") { // not the password of this cluster
		return backoff.Permanent(err)
	}
	return err
}

func connectAndRun(ctx context.Context, url, sql string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, sql)
	return err
}

func (p *Postgres) worthAnotherStart() bool {
	if p.process == nil {
		return false
	}
	log := p.logTail()
	return strings.Contains(log, "pre-existing shared memory block") ||
		p.options.Port == 0 && strings.Contains(log, "could not bind")
}

func (p *Postgres) logTail() string {
	b, err := os.ReadFile(p.LogFile())
	if err != nil {
		return ""
	}
	const most = 2000
	if len(b) > most {
		b = b[len(b)-most:]
	}
	return strings.TrimSpace(string(b))
}
