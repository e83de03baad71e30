package systemtest

import (
	"context"
	"fmt"
	"net/url"
	"testing"

	"connect-provider/deploy/faults"
)

// Standby is a server that follows a primary by asynchronous streaming
// replication and answers reading queries.
type Standby struct {
	*PostgresServer
	primary *PostgresServer
}

// Standby starts a standby of the running server. It ends with the test.
func (s *PostgresServer) Standby(t testing.TB) *Standby {
	t.Helper()
	var host postgresHost
	s.do("standby of", func(ctx context.Context) (err error) {
		if host, err = s.host.second(ctx); err != nil {
			return err
		}
		if err := faults.CopyCluster(ctx, s.URL(), s.host.shell, s.DataDir(), host.dataDir()); err != nil {
			return err
		}
		return faults.MakeStandby(ctx, host.shell, host.dataDir(), besideURL(s.host))
	})
	return &Standby{PostgresServer: adoptPostgres(t, host), primary: s}
}

// besideURL is how a standby on the same machine, or in the same container,
// reaches the server.
func besideURL(host postgresHost) string {
	u, err := url.Parse(host.url())
	if err != nil {
		return host.url()
	}
	u.Host = fmt.Sprintf("127.0.0.1:%d", host.ownPort())
	return u.String()
}

// StopReceiving makes the standby lag: what the primary commits from now on
// does not reach it.
func (s *Standby) StopReceiving(t testing.TB) {
	t.Helper()
	s.do("cut off", func(ctx context.Context) error { return faults.StopReceiving(ctx, s.URL()) })
}

// ResumeReceiving ends StopReceiving.
func (s *Standby) ResumeReceiving(t testing.TB) {
	t.Helper()
	s.do("resume", func(ctx context.Context) error {
		return faults.ResumeReceiving(ctx, s.URL(), besideURL(s.primary.host))
	})
}

// CatchUp waits until the standby has replayed all that the primary has written.
func (s *Standby) CatchUp(t testing.TB) {
	t.Helper()
	s.do("catch up", func(ctx context.Context) error { return faults.CatchUp(ctx, s.URL(), s.primary.URL()) })
}

// Promote makes the standby a primary with what it has received, and waits
// until it accepts writes. The former primary goes on; to end it is the
// caller's part.
func (s *Standby) Promote(t testing.TB) {
	t.Helper()
	s.do("promote", func(ctx context.Context) error { return faults.Promote(ctx, s.URL()) })
}
