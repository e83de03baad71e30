package systemtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Standby is a server that follows a primary by asynchronous streaming
// replication and answers reading queries.
type Standby struct {
	*PostgresServer
	primary *PostgresServer
}

// becomeStandby makes a copy of a cluster a standby of the primary.
const becomeStandby = `
cp -a "$1" "$2" &&
cp -p "$2/PG_VERSION" "$2/standby.signal" &&
printf "primary_conninfo = '%s'\n" "$3" >>"$2/postgresql.auto.conf"
`

// Standby starts a standby of the running server. It ends with the test.
func (s *PostgresServer) Standby(t testing.TB) *Standby {
	t.Helper()
	b := s.BaseBackup(t)
	var host postgresHost
	s.do("standby of", func(ctx context.Context) (err error) {
		if host, err = s.host.second(ctx); err != nil {
			return err
		}
		_, err = s.host.shell(ctx, becomeStandby, b.dir, host.dataDir(), conninfo(s.host))
		return err
	})
	return &Standby{PostgresServer: adoptPostgres(t, host), primary: s}
}

// conninfo is how a standby on the same machine, or in the same container,
// reaches the server.
func conninfo(host postgresHost) string {
	u, err := url.Parse(host.url())
	if err != nil {
		return ""
	}
	password, _ := u.User.Password()
	return fmt.Sprintf("host=127.0.0.1 port=%d user=%s password=%s sslmode=disable", host.ownPort(), u.User.Username(), password)
}

// StopReceiving makes the standby lag: what the primary commits from now on
// does not reach it. (Pausing only the replay would not do: a promotion first
// replays all that was received.)
func (s *Standby) StopReceiving(t testing.TB) {
	t.Helper()
	s.receiveFrom(t, "")
	Eventually(t, "the standby to stop receiving", func() error {
		if n := s.query(t, "SELECT count(*)::text FROM pg_stat_wal_receiver"); n != "0" {
			return errors.New("it still receives")
		}
		return nil
	})
}

// ResumeReceiving ends StopReceiving.
func (s *Standby) ResumeReceiving(t testing.TB) {
	t.Helper()
	s.receiveFrom(t, conninfo(s.primary.host))
}

func (s *Standby) receiveFrom(t testing.TB, primary string) {
	t.Helper()
	s.do("configure", func(ctx context.Context) error {
		conn, err := pgx.Connect(ctx, s.URL())
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close(ctx) }()
		if _, err := conn.Exec(ctx, "ALTER SYSTEM SET primary_conninfo = '"+primary+"'"); err != nil {
			return err
		}
		_, err = conn.Exec(ctx, "SELECT pg_reload_conf()")
		return err
	})
}

// CatchUp waits until the standby has replayed all that the primary has written.
func (s *Standby) CatchUp(t testing.TB) {
	t.Helper()
	target := s.primary.query(t, "SELECT pg_current_wal_lsn()::text")
	Eventually(t, "the standby to catch up with "+target, func() error {
		if s.query(t, "SELECT (coalesce(pg_last_wal_replay_lsn(), '0/0') >= '"+target+"'::pg_lsn)::text") != "true" {
			return errors.New("it lags")
		}
		return nil
	})
}

// Promote makes the standby a primary with what it has received, and waits
// until it accepts writes. The former primary goes on; to end it is the
// caller's part.
func (s *Standby) Promote(t testing.TB) {
	t.Helper()
	s.query(t, "SELECT pg_promote(true, 60)::text")
	Eventually(t, "the promotion", func() error {
		if s.query(t, "SELECT pg_is_in_recovery()::text") != "false" {
			return errors.New("still a standby")
		}
		return nil
	})
}

// query gives the one value of a query, as text.
func (s *PostgresServer) query(t testing.TB, sql string) string {
	t.Helper()
	var value string
	s.do("query", func(ctx context.Context) error {
		conn, err := pgx.Connect(ctx, s.URL())
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close(ctx) }()
		return conn.QueryRow(ctx, sql).Scan(&value)
	})
	return strings.TrimSpace(value)
}
