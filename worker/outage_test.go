package worker

import (
	"context"
	"strings"
	"testing"

	"connect-provider/deploy/faults"
	"connect-provider/deploy/migrations"
	"connect-provider/deploy/systemtest"
)

// newPrivateSystem has a Postgres server of its own that the test can harm.
func newPrivateSystem(t testing.TB) (*system, *systemtest.PostgresServer) {
	t.Helper()
	postgres := systemtest.PrivatePostgres(t)
	if err := migrations.Up(context.Background(), postgres.URL()); err != nil {
		t.Fatal(err)
	}
	return newSystemOn(t, postgres.URL(), systemtest.NATS(t)), postgres
}

// TestPostgresAway restarts Postgres, in an orderly way and after kill -9, with
// batches under way. The worker says so meanwhile, and goes on by itself.
func TestPostgresAway(t *testing.T) {
	t.Parallel()
	s, postgres := newPrivateSystem(t)
	l := newLoad(s, 6, 2)
	w := s.work()
	s.awaitReady(w)
	published := l.publishThrough(2500)
	for round, end := range []func(){postgres.Stop, postgres.Kill, postgres.Kill, postgres.Stop} {
		s.awaitEventsAtLeast(300 * (round + 1))
		end()
		if err := s.awaitUnready(w); strings.Contains(err.Error(), "NATS") {
			t.Errorf("Postgres is away, and the worker says: %v", err)
		}
		postgres.Start()
		s.awaitReady(w)
	}
	<-published
	l.verify()
}

// TestNATSAway ends NATS, in an orderly way and by kill -9, while the worker
// reads commands and publishes events.
func TestNATSAway(t *testing.T) {
	t.Parallel()
	s := newSystemOn(t, systemtest.MigratedDatabase(t), systemtest.NATSProcess(t))
	l := newLoad(s, 6, 3)
	l.publish(3000) // waits in the stream: large batches from the beginning
	w := s.work(func(c *Config) { c.BatchSize = 100 })
	published := l.publishThrough(1000)
	for round, end := range []func(){s.server.Kill, s.server.Stop, s.server.Kill, s.server.Kill} {
		s.awaitEventsAtLeast(500*round + 1)
		end()
		if err := s.awaitUnready(w); !strings.Contains(err.Error(), "NATS") {
			t.Errorf("NATS is away, and the worker says: %v", err)
		}
		s.server.Start()
		s.awaitReady(w)
	}
	<-published
	l.verify()
}

// TestLinesDown harms the lines between the worker and its servers: cut, down,
// and half open, where everything sent is swallowed and no connection breaks.
func TestLinesDown(t *testing.T) {
	t.Parallel()
	for name, side := range map[string]int{"postgres": 0, "nats": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			l := newLoad(s, 6, 4)
			lines := []*faults.Line{systemtest.Proxy(t, s.databaseURL), systemtest.Proxy(t, s.server.URL())}
			w := s.work(func(c *Config) {
				c.Database, c.NATS = openPool(t, lines[0].URL()), connectNATS(t, lines[1].URL())
				c.BatchSize = 50
			})
			s.awaitReady(w)
			line := lines[side]
			published := l.publishThrough(2000)
			harms := []struct{ begin, end func() }{
				{line.Hold, line.Release},
				{line.HoldReplies, line.Release},
				{line.Block, func() {
					if err := line.Unblock(); err != nil {
						t.Error(err)
					}
				}},
			}
			for round, harm := range harms {
				s.awaitEventsAtLeast(400 * (round + 1))
				harm.begin()
				said := s.awaitUnready(w).Error()
				if strings.Contains(said, "NATS") != (side == 1) {
					t.Errorf("the line to %s is down, and the worker says: %s", name, said)
				}
				harm.end()
				s.awaitReady(w)
			}
			for round := range 5 {
				s.awaitEventsAtLeast(1250 + 50*round)
				line.Cut()
			}
			<-published
			l.verify()
		})
	}
}
