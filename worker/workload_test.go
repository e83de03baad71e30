package worker

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/deploy/local"
	"connect-provider/deploy/migrations"
	"connect-provider/deploy/systemtest"
	"connect-provider/deploy/workload"
	"connect-provider/messages"
)

// hundred is the workload of the measurements.
var hundred = workload.Hundred()

// newSyncedSystem is a system whose servers sync every write, with the
// platform's side of the workload. Programs of Postgres are needed: a
// container's disk is not comparable.
func newSyncedSystem(t testing.TB) *system {
	t.Helper()
	dir, remove, err := local.TempDir("connect-provider-load")
	if err != nil {
		t.Fatal(err)
	}
	postgres, err := local.StartPostgres(context.Background(), local.PostgresOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := postgres.Close(); err != nil {
			t.Error(err)
		}
		if err := remove(); err != nil {
			t.Error(err)
		}
	})
	if err := migrations.Up(context.Background(), postgres.URL()); err != nil {
		t.Fatal(err)
	}
	s := &system{t: t, databaseURL: postgres.URL(), server: systemtest.NATSProcess(t)}
	s.pool, s.nc = openPool(t, s.databaseURL), connectNATS(t, s.server.URL())
	if s.js, err = jetstream.New(s.nc); err != nil {
		t.Fatal(err)
	}
	if _, _, err := EnsureStreams(context.Background(), s.js, messages.StreamOptions{}, false); err != nil {
		t.Fatal(err)
	}
	for _, setting := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
		var value string
		if err := s.pool.QueryRow(context.Background(), "select current_setting($1)", setting).Scan(&value); err != nil || value != "on" {
			t.Fatalf("%s is %q (%v), the measurement needs it on", setting, value, err)
		}
	}
	s.loadPlatform()
	return s
}

// loadPlatform writes the organizations, bridges and numbers.
func (s *system) loadPlatform() {
	s.t.Helper()
	if err := hundred.Load(context.Background(), s.pool); err != nil {
		s.t.Fatal(err)
	}
}

// publishLoad puts the first n commands of the workload into the bulk stream.
func (s *system) publishLoad(n int) {
	s.t.Helper()
	if err := hundred.Publish(context.Background(), s.nc, 0, n); err != nil {
		s.t.Fatal(err)
	}
}

// awaitLoad waits until the events stream holds n events.
func (s *system) awaitLoad(n int) {
	s.t.Helper()
	stream, err := s.js.Stream(context.Background(), messages.EventsStream)
	if err != nil {
		s.t.Fatal(err)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		info, err := stream.Info(context.Background())
		if err != nil {
			s.t.Fatal(err)
		}
		if info.State.Msgs >= uint64(n) {
			return
		}
	}
}

// checkLoad demands the outcomes of the first n commands of the workload.
func (s *system) checkLoad(n int) {
	s.t.Helper()
	if err := hundred.Check(context.Background(), s.pool, n); err != nil {
		s.t.Error(err)
	}
}
