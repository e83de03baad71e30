package worker

import "sync/atomic"

// A worker owns up to all lanes, and at full load each has messages that wait
// and events that are not published yet. Two budgets bound them over all
// lanes; beside them each lane may hold a little, so that none stands still
// for others.
const (
	queuedBudget      = 16 << 20
	unpublishedBudget = 8 << 20
	// laneMinimum is what a lane's queue may hold whatever the others do.
	laneMinimum = 192 << 10
)

// budget counts bytes that are held.
type budget struct {
	held atomic.Int64
	most int64
}

func (b *budget) take(bytes int) { b.held.Add(int64(bytes)) }

func (b *budget) give(bytes int) { b.held.Add(-int64(bytes)) }

func (b *budget) spent() bool { return b.held.Load() >= b.most }
