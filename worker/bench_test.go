package worker

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"
)

// promisedRatio is how many times as many commands the worker decides as one
// transaction for each would.
const promisedRatio = 10

// BenchmarkCommands measures the worker against the baseline, one after the
// other on servers of their own that sync every write: commands that are
// already in the stream, until all their events are in the events stream.
//
//	go test ./worker -run '^$' -bench Commands -benchtime 1x
func BenchmarkCommands(b *testing.B) {
	for b.Loop() {
		each := measure(b, 10_000, func(s *system, n int) time.Duration {
			t := &baseline{s: s, pool: openPool(b, s.databaseURL, func(c *pgxpool.Config) { c.MaxConns = baselineAtOnce + 4 })}
			start := time.Now()
			t.run(n)
			return time.Since(start)
		})
		batches := measure(b, hundred.Commands(), func(s *system, n int) time.Duration {
			start := time.Now()
			w := s.work(func(c *Config) { c.Logger, c.LeaseTTL = zap.NewNop(), DefaultConfig().LeaseTTL })
			s.awaitLoad(n)
			took := time.Since(start)
			w.stop()
			return took
		})
		b.ReportMetric(each, "baseline-commands/s")
		b.ReportMetric(batches, "worker-commands/s")
		b.ReportMetric(batches/each, "ratio")
		b.ReportMetric(0, "ns/op")
		if batches/each < promisedRatio {
			b.Errorf("the worker decides %.1f times as many commands as the baseline, at least %d are promised", batches/each, promisedRatio)
		}
	}
}

// measure returns commands per second.
func measure(b *testing.B, n int, run func(s *system, n int) time.Duration) float64 {
	b.Helper()
	b.StopTimer()
	s := newSyncedSystem(b)
	s.publishLoad(n)
	b.StartTimer()
	took := run(s, n)
	s.checkLoad(n)
	return float64(n) / took.Seconds()
}
