package workload_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"connect-provider/deploy/systemtest"
	"connect-provider/deploy/workload"
	"connect-provider/messages"
	"connect-provider/worker"
)

func TestMain(m *testing.M) { os.Exit(systemtest.Main(m)) }

// TestLeavesNothing decides the commands of two workloads in one system, finds
// what is missing of them, and removes one after the other.
func TestLeavesNothing(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	first := workload.Workload{Prefix: "one", Numbering: "+999", Organizations: 3, Bridges: 20, Numbers: 25, UnknownEvery: 50}
	other := workload.Workload{Prefix: "one-more", Numbering: "+9981", Organizations: 2, Bridges: 5, Numbers: 10}
	untouched := s.rows()
	for _, w := range []workload.Workload{first, other} {
		if err := w.Load(t.Context(), s.pool); err != nil {
			t.Fatal(err)
		}
	}
	s.publish(first, 0, 1200) // not all, so two batches
	s.publish(other, 0, other.Commands())
	s.decide(1300)
	s.demand(first, 1200, true)
	s.demand(first, 1201, false)
	s.demand(first, 1150, false)
	s.demand(other, 100, true)
	s.publish(first, 1200, first.Commands())
	s.decide(1600)
	s.demand(first, first.Commands(), true)

	if err := first.Remove(t.Context(), s.pool); err != nil {
		t.Fatal(err)
	}
	s.demand(first, 0, true)
	s.demand(other, 100, true)
	if err := other.Remove(t.Context(), s.pool); err != nil {
		t.Fatal(err)
	}
	if left := s.rows(); left != untouched {
		t.Errorf("left are %s, want %s", left, untouched)
	}
}

func TestNamesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*workload.Workload){
		"prefix":    func(w *workload.Workload) { w.Prefix = "a.b" },
		"numbering": func(w *workload.Workload) { w.Numbering = "+99912345" },
		"none":      func(w *workload.Workload) { w.Bridges = 0 },
		"too many":  func(w *workload.Workload) { w.Numbers = 5001 },
	} {
		w := workload.Hundred()
		if err := w.Validate(); err != nil {
			t.Fatal(err)
		}
		if change(&w); w.Validate() == nil {
			t.Errorf("%s: nothing found", name)
		}
	}
}

// system is a database and a server with the streams.
type system struct {
	t    *testing.T
	pool *pgxpool.Pool
	nc   *nats.Conn
	js   jetstream.JetStream
}

func newSystem(t *testing.T) *system {
	t.Helper()
	s := &system{t: t}
	var err error
	if s.pool, err = worker.NewPool(t.Context(), systemtest.MigratedDatabase(t), 2); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.pool.Close)
	if s.nc, err = nats.Connect(systemtest.NATS(t).URL()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.nc.Close)
	if s.js, err = jetstream.New(s.nc); err != nil {
		t.Fatal(err)
	}
	if _, _, err := worker.EnsureStreams(t.Context(), s.js, messages.StreamOptions{Lanes: 2}, false); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *system) publish(w workload.Workload, first, end int) {
	s.t.Helper()
	if err := w.Publish(s.t.Context(), s.nc, first, end); err != nil {
		s.t.Fatal(err)
	}
}

// decide has a worker work until the events stream holds n events.
func (s *system) decide(n uint64) {
	s.t.Helper()
	config := worker.DefaultConfig()
	config.Database, config.NATS, config.Name = s.pool, s.nc, "test"
	config.Logger, config.Registerer = systemtest.Logger(s.t), prometheus.NewRegistry()
	w, err := worker.New(config)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, drain := context.WithCancel(s.t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	systemtest.Eventually(s.t, fmt.Sprintf("%d events", n), func() error {
		stream, err := s.js.Stream(s.t.Context(), messages.EventsStream)
		if err != nil {
			return err
		}
		if have := stream.CachedInfo().State.Msgs; have != n {
			return fmt.Errorf("%d", have)
		}
		return nil
	})
	drain()
	if err := <-done; err != nil {
		s.t.Fatal(err)
	}
}

func (s *system) demand(w workload.Workload, n int, right bool) {
	s.t.Helper()
	if err := w.Check(s.t.Context(), s.pool, n); (err == nil) != right {
		s.t.Errorf("%s of %d commands: %v", w.Prefix, n, err)
	}
}

// rows says how many rows each table has that measurements may not leave any in.
func (s *system) rows() string {
	s.t.Helper()
	var counts string
	if err := s.pool.QueryRow(s.t.Context(), `select string_agg(t.name || ' ' || (xpath('/row/n/text()', query_to_xml('select count(*) as n from ' || t.name, false, true, '')))[1], ', ' order by t.name)
		from (select format('%I.%I', schemaname, tablename) as name from pg_tables
		      where schemaname in ('telephony', 'connect_provider') and tablename not in ('lanes', 'workers', 'purge_marks')) as t`).Scan(&counts); err != nil {
		s.t.Fatal(err)
	}
	return counts
}
