package faults

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/jackc/pgx/v5"
)

// MakeStandby makes a copy that CopyCluster made a standby: a server that starts
// on it follows the primary by asynchronous streaming replication and answers
// reading queries. The primary's URL is that of a superuser, as it is reached
// from where the standby will run.
func MakeStandby(ctx context.Context, sh Shell, dataDir, primary string) error {
	const script = `
cp -p "$1/PG_VERSION" "$1/standby.signal" &&
printf 'primary_conninfo = %s\n' "$2" >>"$1/postgresql.auto.conf"
`
	if _, err := sh(ctx, script, dataDir, literal(primary)); err != nil {
		return fmt.Errorf("make a standby: %w", err)
	}
	return nil
}

// StopReceiving makes the standby at the URL lag, and returns when it does: what
// the primary commits from then on does not reach it. (Pausing only the replay
// would not do: a promotion first replays all that was received.)
func StopReceiving(ctx context.Context, standby string) error {
	if err := receiveFrom(ctx, standby, ""); err != nil {
		return fmt.Errorf("stop receiving: %w", err)
	}
	return await(ctx, "it still receives", func() (bool, error) {
		receivers, err := ask(ctx, standby, "SELECT count(*)::text FROM pg_stat_wal_receiver")
		return receivers == "0", err
	})
}

// ResumeReceiving ends StopReceiving. It does not wait for what the standby
// missed; CatchUp does.
func ResumeReceiving(ctx context.Context, standby, primary string) error {
	if err := receiveFrom(ctx, standby, primary); err != nil {
		return fmt.Errorf("resume receiving: %w", err)
	}
	return nil
}

func receiveFrom(ctx context.Context, standby, primary string) error {
	conn, err := pgx.Connect(ctx, standby)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, "ALTER SYSTEM SET primary_conninfo = "+literal(primary)); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "SELECT pg_reload_conf()")
	return err
}

// CatchUp waits until the standby has replayed all that the primary has written
// when it is called. Both URLs are as seen from here.
func CatchUp(ctx context.Context, standby, primary string) error {
	target, err := ask(ctx, primary, "SELECT pg_current_wal_lsn()::text")
	if err != nil {
		return fmt.Errorf("catch up: %w", err)
	}
	return await(ctx, "it lags behind "+target, func() (bool, error) {
		replayed, err := ask(ctx, standby, "SELECT (coalesce(pg_last_wal_replay_lsn(), '0/0') >= '"+target+"'::pg_lsn)::text")
		return replayed == "true", err
	})
}

// Promote makes the standby a primary with what it has received, and returns
// when it accepts writes. The former primary goes on; to end it is the caller's
// part.
func Promote(ctx context.Context, standby string) error {
	if _, err := ask(ctx, standby, "SELECT pg_promote(true, 60)::text"); err != nil {
		return fmt.Errorf("promote: %w", err)
	}
	return await(ctx, "it is not promoted", func() (bool, error) {
		recovers, err := ask(ctx, standby, "SELECT pg_is_in_recovery()::text")
		return recovers == "false", err
	})
}

// await asks again until it is so, an error comes, or the context ends; not is
// what the error says then.
func await(ctx context.Context, not string, so func() (bool, error)) error {
	again := backoff.WithContext(backoff.NewExponentialBackOff(backoff.WithInitialInterval(2*time.Millisecond),
		backoff.WithMaxInterval(100*time.Millisecond), backoff.WithMaxElapsedTime(0)), ctx)
	return backoff.Retry(func() error {
		done, err := so()
		switch {
		case ctx.Err() != nil:
			return backoff.Permanent(errors.Join(errors.New("standby: "+not), context.Cause(ctx)))
		case err != nil:
			return backoff.Permanent(fmt.Errorf("standby: %w", err))
		case !done:
			return errors.New("standby: " + not)
		}
		return nil
	}, again)
}

// ask gives the one value of a query, as text.
func ask(ctx context.Context, url, sql string) (string, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(ctx) }()
	var value string
	err = conn.QueryRow(ctx, sql).Scan(&value)
	return value, err
}

// literal is a string in SQL and in the server's configuration alike.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
