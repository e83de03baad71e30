package worker

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.uber.org/zap"

	"connect-provider/messages"
	"connect-provider/outbox"
)

//go:embed sql/lock_lane.sql
var lockLaneSQL string

//go:embed sql/confirm_owner.sql
var confirmOwnerSQL string

//go:embed sql/begin_replay.sql
var beginReplaySQL string

//go:embed sql/rebase.sql
var rebaseSQL string

//go:embed sql/hold.sql
var holdSQL string

//go:embed sql/release.sql
var releaseSQL string

// ownership is one acquisition of a lane. Epochs repeat after a restore, so
// each acquisition has a random token too.
type ownership struct {
	token uuid.UUID
	epoch int64
}

// laneRow is a lane as its row in the database has it.
type laneRow struct {
	lane          messages.Lane
	owner         ownership
	streamCreated int64
	generation    int64
	cursor        uint64
	cursorTime    int64
	eventsCreated int64
	lastEvent     uint64
	replay        *outbox.Span
}

func (r *laneRow) position() messages.Position {
	return messages.Position{Generation: r.generation, Sequence: r.cursor}
}

// hasCommitted tells whether a move of the cursor has happened.
func (l *laneRun) hasCommitted(ctx context.Context, move cursorMove) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	var token *uuid.UUID
	var cursor, generation int64
	err := pgx.BeginFunc(ctx, l.worker.pool, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, lockLaneSQL, l.lane.String()).Scan(&token, &cursor, &generation)
	})
	switch {
	case err != nil:
		return false, err
	case token == nil || *token != move.owner.token || generation != move.generation:
		return false, fmt.Errorf("commit in doubt: %w", outbox.ErrLost)
	case uint64(cursor) == move.to:
		return true, nil
	case uint64(cursor) == move.from:
		return false, nil
	}
	return false, fmt.Errorf("commit in doubt, cursor at %d: %w", cursor, outbox.ErrLost)
}

// confirm makes sure that the lane is still owned.
func (l *laneRun) confirm(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	var mine bool
	err := l.worker.pool.QueryRow(ctx, confirmOwnerSQL, l.lane.String(), l.row.owner.token, l.row.owner.epoch).Scan(&mine)
	if err == nil && !mine {
		return outbox.ErrLost
	}
	return err
}

// beginReplay writes the span to be replayed to the lane's row, so that a
// later owner goes on with it.
func (l *laneRun) beginReplay(ctx context.Context, span outbox.Span) error {
	return l.update(ctx, beginReplaySQL, l.lane.String(), l.row.owner.token, l.row.owner.epoch,
		int64(span.From), span.Until.Generation, int64(span.Until.Sequence))
}

// rebase starts a new generation of the lane: another stream, or the same one
// after it was cut back.
func (l *laneRun) rebase(ctx context.Context, to laneRow) error {
	err := l.update(ctx, rebaseSQL, l.lane.String(), l.row.owner.token, l.row.owner.epoch, int64(l.row.cursor), l.row.generation,
		to.streamCreated, to.generation, int64(to.cursor), to.cursorTime)
	if err == nil {
		l.row.streamCreated, l.row.generation, l.row.cursor, l.row.cursorTime = to.streamCreated, to.generation, to.cursor, to.cursorTime
		if l.row.replay != nil && l.row.replay.Until.Generation < to.generation {
			l.row.replay = nil
		}
		l.reach()
	}
	return err
}

// hold notes on the lane's row that it stands still, where and why, and tells
// whether an operator has asked to skip the command it stands at.
func (l *laneRun) hold(ctx context.Context, received *messages.Received, cause error) (skip bool, reason string) {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	err := l.worker.pool.QueryRow(ctx, holdSQL, l.lane.String(), l.row.owner.token, l.row.owner.epoch,
		int64(received.Sequence), storable(cause.Error())).Scan(&skip, &reason)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		l.worker.logger.Warn("lane held, and the database can't be told: connectctl status does not show it yet; will tell it again", zap.Stringer("lane", l.lane), zap.Error(err))
	}
	if !l.held.Swap(true) {
		l.worker.logger.Error("lane held: one command can't be applied; mend the cause, and the lane goes on by itself, or give the command up with connectctl skip",
			zap.Stringer("lane", l.lane), zap.Uint64("sequence", received.Sequence), zap.String("org", received.Organization.Token),
			zap.NamedError("cause", cause), zap.String("skip_with", fmt.Sprintf("connectctl skip --lane %s --sequence %d --reason TEXT", l.lane, received.Sequence)))
	}
	return skip, reason
}

// release gives the lane back, so that another worker can have it at once.
func (l *laneRun) release(ctx context.Context) error {
	return l.update(ctx, releaseSQL, l.lane.String(), l.row.owner.token, l.row.owner.epoch)
}

// update runs a statement that touches the lane's row if it is still owned.
func (l *laneRun) update(ctx context.Context, sql string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	tag, err := l.worker.pool.Exec(ctx, sql, args...)
	if err == nil && tag.RowsAffected() != 1 {
		return outbox.ErrLost
	}
	return err
}

// tidy removes the outbox rows of published events without a batch to carry
// it, and notes what is known of the lane's events.
func (l *laneRun) tidy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	move := l.standStill()
	err := pgx.BeginFunc(ctx, l.worker.pool, func(tx pgx.Tx) error {
		var q pgx.Batch
		commitCursor(&q, move)
		return tx.SendBatch(ctx, &q).Close()
	})
	if err == nil {
		l.moved(move)
	}
	return err
}

// nextMove is the step that a batch makes of the cursor.
func (l *laneRun) nextMove(batch []*messages.Received) cursorMove {
	move := l.standStill()
	last := batch[len(batch)-1]
	move.to, move.toTime = last.Sequence, last.Time.UnixNano()
	move.removed = l.removed
	return move
}

// standStill is a step that leaves the cursor where it is. It removes whatever
// there is up to the last published event: a standby that lagged may have brought
// rows back that were gone.
func (l *laneRun) standStill() cursorMove {
	progress := l.publisher.progress()
	move := cursorMove{
		lane: l.lane, owner: l.row.owner, streamCreated: l.row.streamCreated, generation: l.row.generation,
		from: l.row.cursor, to: l.row.cursor, toTime: l.row.cursorTime,
		at: time.Now().UTC().Truncate(time.Microsecond), lease: l.worker.config.LeaseTTL,
		events: progress.last, replayed: progress.finished,
	}
	if progress.published.Compare(l.removed) > 0 {
		move.removable = progress.published
	}
	return move
}

// moved notes that a step has been committed.
func (l *laneRun) moved(move cursorMove) {
	l.row.cursor, l.row.cursorTime = move.to, move.toTime
	l.row.eventsCreated, l.row.lastEvent = move.events.StreamCreated, move.events.Sequence
	l.reach()
	if move.removable != (messages.Position{}) {
		l.removed = move.removable
	}
	l.worker.committed()
}
