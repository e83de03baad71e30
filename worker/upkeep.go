package worker

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"connect-provider/messages"
	"connect-provider/outbox"
)

//go:embed sql/lane_positions.sql
var lanePositionsSQL string

//go:embed sql/mark_passed.sql
var markPassedSQL string

// Crowded is the part of a command stream's limit above which applied commands
// are purged before the replay window has passed.
const Crowded = 0.8

// upkeep purges the command streams and prunes the tables from time to time,
// until the context ends. Of all workers, only the owner of a class's lane 0
// does it.
func (w *Worker) upkeep(ctx context.Context) {
	ticker := time.NewTicker(w.config.UpkeepInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for _, class := range messages.Classes() {
			if !w.owns(messages.Lane{Class: class, Number: 0}) {
				w.fills.Delete(class.Stream())
				continue
			}
			if err := w.purge(ctx, class); err != nil && ctx.Err() == nil {
				w.logger.Warn("command stream not purged, will retry", zap.Stringer("class", class), zap.Error(err))
			}
		}
		if !w.owns(messages.Lane{Class: messages.Interactive, Number: 0}) {
			w.fills.Delete(messages.EventsStream)
			continue
		}
		if _, _, err := w.look(ctx, messages.EventsStream); err != nil && ctx.Err() == nil {
			w.logger.Warn("events stream not seen, will retry", zap.Error(err))
		}
		inbox, deadLetters, err := outbox.Prune(ctx, w.pool, w.config.InboxRetention, w.config.DeadLetterRetention)
		if err != nil && ctx.Err() == nil {
			w.logger.Warn("inbox and dead letters that are past their retention not deleted, will retry", zap.Error(err))
		}
		if inbox+deadLetters > 0 {
			w.logger.Info("pruned what is past its retention", zap.Int64("inbox", inbox), zap.Int64("dead_letters", deadLetters))
		}
	}
}

func (w *Worker) owns(lane messages.Lane) bool {
	for _, run := range w.runs() {
		if run.lane == lane {
			return true
		}
	}
	return false
}

// purge removes from a command stream what every lane has passed and the
// replay window no longer covers; above 80% of the stream's limit the window
// does not count. It purges by sequence: filtered purges cost 25 times as much.
func (w *Worker) purge(ctx context.Context, class messages.Class) error {
	stream, fill, err := w.look(ctx, class.Stream())
	if err != nil {
		return err
	}
	info := stream.CachedInfo()
	if info.State.Msgs == 0 {
		return nil
	}
	passed, err := w.passed(ctx, class, info)
	if err != nil || passed == 0 {
		return err
	}
	upTo := passed
	if fill < Crowded {
		if upTo, err = w.beforeWindow(ctx, class, info, passed); err != nil {
			return err
		}
	} else {
		w.metrics.earlyPurge(class)
		w.logger.Warn("command stream is nearly full: purging applied commands that a restore of the database might have needed; raise its limit with connect-provider streams --mend",
			zap.Stringer("class", class), zap.Float64("fill", fill))
	}
	if upTo < info.State.FirstSeq {
		return nil
	}
	if err := stream.Purge(ctx, jetstream.WithPurgeSequence(upTo+1)); err != nil {
		return err
	}
	w.logger.Info("purged applied commands", zap.Stringer("class", class), zap.Uint64("up_to_sequence", upTo))
	return nil
}

// passed returns the highest sequence up to which every lane has applied its
// messages, 0 if none. A lane whose next message stands further on has passed
// all before it, so an idle lane pins nothing.
func (w *Worker) passed(ctx context.Context, class messages.Class, info *jetstream.StreamInfo) (uint64, error) {
	rows, err := w.pool.Query(ctx, lanePositionsSQL, class.Letter())
	if err != nil {
		return 0, err
	}
	type position struct {
		Lane          string
		StreamCreated int64
		Cursor        int64
		CursorTime    int64
	}
	lanes, err := pgx.CollectRows(rows, pgx.RowToStructByPos[position])
	if err != nil {
		return 0, err
	}
	if len(lanes) != w.lanesOf(class) {
		return 0, fmt.Errorf("%d lanes recorded, %d expected", len(lanes), w.lanesOf(class))
	}
	passed := info.State.LastSeq
	for _, l := range lanes {
		lane, err := messages.ParseLane(l.Lane)
		if err != nil {
			return 0, err
		}
		if l.StreamCreated != info.Created.UnixNano() {
			// the lane has not looked at this stream yet
			return 0, nil
		}
		if uint64(l.Cursor) >= info.State.FirstSeq {
			at, err := FindStored(ctx, w.js, class.Stream(), StoredQuestion{Sequence: uint64(l.Cursor)})
			if err != nil {
				return 0, fmt.Errorf("cursor of lane %s: %w", lane, err)
			}
			if at == nil || at.Time.UnixNano() != l.CursorTime {
				// the stream was cut back, and the lane has not looked since
				return 0, nil
			}
		}
		if uint64(l.Cursor) >= passed {
			continue
		}
		next, err := FindStored(ctx, w.js, class.Stream(), StoredQuestion{Sequence: uint64(l.Cursor) + 1, NextFor: lane.CommandFilter()})
		if err != nil {
			return 0, fmt.Errorf("next message of lane %s: %w", lane, err)
		}
		if next != nil {
			passed = min(passed, next.Sequence-1)
		}
	}
	return passed, nil
}

// beforeWindow returns the last sequence, at most passed, that was applied
// before the replay window began. When a command was published does not matter:
// after an outage longer than the window all that waited is still old, and a
// restored database lacks it all the same.
func (w *Worker) beforeWindow(ctx context.Context, class messages.Class, info *jetstream.StreamInfo, passed uint64) (uint64, error) {
	if w.config.ReplayWindow == 0 {
		return passed, nil
	}
	var before int64
	err := w.pool.QueryRow(ctx, markPassedSQL, class.Letter(), info.Created.UnixNano(), int64(passed), w.config.ReplayWindow.Seconds()).Scan(&before)
	if err != nil {
		return 0, fmt.Errorf("beginning of the replay window: %w", err)
	}
	return min(passed, uint64(before)), nil
}

// look asks how a stream is and notes how full, for the metrics. A stream that
// can't be looked at is noted as unknown, not as it was.
func (w *Worker) look(ctx context.Context, name string) (jetstream.Stream, float64, error) {
	stream, err := w.js.Stream(ctx, name)
	if err != nil {
		w.fills.Delete(name)
		return nil, 0, err
	}
	fill := StreamFill(stream.CachedInfo())
	w.fills.Store(name, fill)
	return stream, fill, nil
}

// StreamFill returns how full a stream is, from 0 to 1, by the limit that is
// nearest.
func StreamFill(info *jetstream.StreamInfo) float64 {
	fill := 0.0
	if limit := info.Config.MaxBytes; limit > 0 {
		fill = float64(info.State.Bytes) / float64(limit)
	}
	if limit := info.Config.MaxMsgs; limit > 0 {
		fill = max(fill, float64(info.State.Msgs)/float64(limit))
	}
	return fill
}

// watchLag asks the server how far behind a lane is while it is: what has
// been delivered tells only how many waited then.
func (w *Worker) watchLag(ctx context.Context) {
	ticker := time.NewTicker(5 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			for _, run := range w.runs() {
				r := run.reader.Load()
				waiting, age := run.lag(now)
				// a lane that has read all may have been told of one too many
				stale := waiting > 0 && age == 0
				if r == nil || !stale && age < time.Second {
					continue
				}
				asked, cancel := context.WithTimeout(ctx, time.Second)
				r.refresh(asked)
				cancel()
			}
		}
	}
}
