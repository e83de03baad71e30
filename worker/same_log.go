package worker

import (
	"context"
	_ "embed"
	"fmt"
	"sort"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/zap"
)

//go:embed sql/applied_positions.sql
var appliedPositionsSQL string

// open starts to read the lane's stream behind its cursor, after making sure
// that the stream is still the log that the cursor counts in. Where it is not,
// a new generation of the lane begins first.
func (l *laneRun) open(ctx context.Context) (*reader, error) {
	for {
		if l.row.streamCreated == 0 { // never read, so that a consumer would be made in vain
			_, to, err := l.compareLog(ctx)
			if err != nil {
				return nil, err
			}
			if err := l.begin(ctx, *to); err != nil {
				return nil, err
			}
		}
		r, err := openReader(ctx, l.worker.js, l.lane, l.row.cursor, &l.worker.queued)
		if err != nil {
			return nil, err
		}
		// after the consumer: if the stream is replaced from here on, the
		// consumer is gone with it
		mark, to, err := l.compareLog(ctx)
		if err == nil && to == nil {
			if err = r.start(ctx, time.Unix(0, l.row.streamCreated).UTC(), mark); err == nil {
				return r, nil
			}
		}
		r.close(ctx, l.worker.js, l.lane)
		if err != nil {
			return nil, err
		}
		if err := l.begin(ctx, *to); err != nil {
			return nil, err
		}
	}
}

// begin begins a new generation of the lane.
func (l *laneRun) begin(ctx context.Context, to laneRow) error {
	if err := l.rebase(ctx, to); err != nil {
		return fmt.Errorf("begin generation %d of lane %s: %w", to.generation, l.lane, err)
	}
	return nil
}

// compareLog holds the stream against what the lane's row remembers. It
// returns the message to expect first, nil if the cursor's message is gone in
// a legal way or there is none; or where a new generation has to begin.
func (l *laneRun) compareLog(ctx context.Context) (mark *cursorMark, to *laneRow, err error) {
	stream, err := l.worker.js.Stream(ctx, l.lane.Class.Stream())
	if err != nil {
		return nil, nil, fmt.Errorf("command stream: %w", err)
	}
	info := stream.CachedInfo()
	created := info.Created.UnixNano()
	if l.row.streamCreated != created {
		return nil, l.replaced(created), nil
	}
	mark = &cursorMark{sequence: l.row.cursor, time: l.row.cursorTime}
	if l.row.cursor == 0 || l.row.cursor < info.State.FirstSeq {
		if l.row.replay != nil && l.row.cursor+1 < info.State.FirstSeq {
			l.worker.metrics.lostRange(l.lane.Class, "purged")
			l.worker.logger.Error("the database was restored to before what the command stream still holds: effects that its events tell of may be missing from it; publish those commands again under new ids",
				zap.Stringer("lane", l.lane), zap.Uint64("after_sequence", l.row.cursor), zap.Uint64("stream_begins_at", info.State.FirstSeq))
		}
		return nil, l.missedGeneration(), nil
	}
	same, err := l.holds(ctx, *mark)
	if err != nil {
		return nil, nil, err
	}
	if same {
		return mark, l.missedGeneration(), nil
	}
	// a purge may have come between the two questions
	if info, err = stream.Info(ctx); err != nil {
		return nil, nil, fmt.Errorf("command stream: %w", err)
	}
	if l.row.cursor < info.State.FirstSeq {
		return nil, l.missedGeneration(), nil
	}
	to, err = l.cutBack(ctx, info.State.FirstSeq)
	return nil, to, err
}

// holds tells whether the stream has a certain message of the lane.
func (l *laneRun) holds(ctx context.Context, mark cursorMark) (bool, error) {
	found, err := FindStored(ctx, l.worker.js, l.lane.Class.Stream(), StoredQuestion{Sequence: mark.sequence})
	return found != nil && found.Time.UnixNano() == mark.time, err
}

// missedGeneration returns the lane's row in the generation of its last event,
// nil if that is no later one. A later one began after the copy was made from
// which the database was restored; had the lane stayed in its own, it would
// never get past its events.
func (l *laneRun) missedGeneration() *laneRow {
	to := l.row
	if to.generation = l.publisher.progress().last.Position.Generation; to.generation <= l.row.generation {
		return nil
	}
	return &to
}

// nextGeneration is the one that begins where the stream is another log, or
// the one that had begun when a restored database missed it.
func (l *laneRun) nextGeneration() int64 {
	return max(l.row.generation+1, l.publisher.progress().last.Position.Generation)
}

// replaced begins the lane at the beginning of another stream. What was
// decided before is known to the inbox, so reading it again does no harm.
func (l *laneRun) replaced(created int64) *laneRow {
	to := &laneRow{streamCreated: created, generation: l.nextGeneration()}
	if last := l.publisher.progress().last; last.Sequence > 0 && last.Time.UnixNano() < created {
		// no event is of this stream, so its generation has none yet
		to.generation = max(to.generation, last.Position.Generation+1)
	}
	if l.row.streamCreated != 0 {
		l.worker.metrics.lostRange(l.lane.Class, "replaced")
		l.worker.logger.Error("command stream was replaced: reading the new one from its beginning; commands of the old one that were not decided are lost",
			zap.Stringer("lane", l.lane), zap.Int64("generation", to.generation), zap.Uint64("old_cursor", l.row.cursor),
			zap.Time("old_created", time.Unix(0, l.row.streamCreated).UTC()), zap.Time("new_created", time.Unix(0, created).UTC()))
	}
	return to
}

// cutBack finds the last message that the lane has applied and the stream
// still has, and begins a new generation behind it. The inbox knows what was
// applied; the messages of one log agree up to the cut and differ after it.
// Starting too low does no harm, so a message that left no row is no problem.
func (l *laneRun) cutBack(ctx context.Context, first uint64) (*laneRow, error) {
	rows, err := l.worker.pool.Query(ctx, appliedPositionsSQL, l.lane.String(), l.row.streamCreated, int64(first), int64(l.row.cursor))
	if err != nil {
		return nil, fmt.Errorf("applied positions: %w", err)
	}
	applied, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (mark cursorMark, err error) {
		var sequence int64
		err = row.Scan(&sequence, &mark.time)
		mark.sequence = uint64(sequence)
		return mark, err
	})
	if err != nil {
		return nil, fmt.Errorf("applied positions: %w", err)
	}
	var failure error
	differs := sort.Search(len(applied), func(i int) bool {
		if failure != nil {
			return true
		}
		same, err := l.holds(ctx, applied[i])
		failure = err
		return !same
	})
	if failure != nil {
		return nil, failure
	}
	to := &laneRow{streamCreated: l.row.streamCreated, generation: l.nextGeneration()}
	if differs > 0 {
		to.cursor, to.cursorTime = applied[differs-1].sequence, applied[differs-1].time
	}
	l.worker.metrics.lostRange(l.lane.Class, "cut_back")
	l.worker.logger.Error("command stream was cut back: accepted messages are gone from it; going on behind the last one that is left",
		zap.Stringer("lane", l.lane), zap.Int64("generation", to.generation),
		zap.Uint64("lost_after_sequence", to.cursor), zap.Uint64("lost_up_to_sequence", l.row.cursor))
	return to, nil
}
