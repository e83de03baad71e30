package worker

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/zap"

	"connect-provider/messages"
	"connect-provider/outbox"
)

//go:embed sql/load_pauses.sql
var loadPausesSQL string

// pauseCheck is how often a paused lane looks whether it may go on, if nobody
// tells it (pauses.go, Nudge).
const pauseCheck = time.Second

// pausedError says that an operator has paused the first command of a batch.
type pausedError struct{ Pause }

func (p *pausedError) Error() string { return fmt.Sprintf("%s is paused: %s", p.Subject(), p.Reason) }

// queuePauses reads the pauses that concern some organizations' commands. They
// are read in the transaction that decides, after the partition's lock was
// taken: SetPause waits for that lock, so what it has returned for is seen here.
func (s *state) queuePauses(q *pgx.Batch, class messages.Class, tokens []string) {
	q.Queue(loadPausesSQL, class.Letter(), append([]string{""}, tokens...)).Query(func(rows pgx.Rows) error {
		return forEachPause(rows, class, func(p Pause) { s.pauses[p.OrgToken] = p })
	})
}

func forEachPause(rows pgx.Rows, class messages.Class, take func(Pause)) error {
	p := Pause{Class: class}
	_, err := pgx.ForEachRow(rows, []any{&p.OrgToken, &p.Reason, &p.Since}, func() error {
		take(p)
		return nil
	})
	return err
}

// beforePause returns the part of a batch that stands before its first paused
// command. Where that is the first one of all, it returns a *pausedError.
func (s *state) beforePause(batch []*messages.Received) ([]*messages.Received, error) {
	if len(s.pauses) == 0 {
		return batch, nil
	}
	for i, received := range batch {
		p, paused := s.pauses[""]
		if !paused {
			p, paused = s.pauses[received.Organization.Token]
		}
		switch {
		case paused && i == 0:
			return nil, &pausedError{p}
		case paused:
			return batch[:i], nil
		}
	}
	return batch, nil
}

// awaitResume returns when the lane's next command is no longer paused. The
// lane keeps its lease meanwhile and its events are published. An error means
// that the lane is lost or asked to finish, that it must read again
// (errReadAgain), or that the program ends.
func (l *laneRun) awaitResume(ctx context.Context, next *messages.Received, by Pause) error {
	l.paused.Store(true)
	defer l.paused.Store(false)
	fields := []zap.Field{zap.Stringer("lane", l.lane), zap.Uint64("sequence", next.Sequence),
		zap.String("org", next.Organization.Token), zap.String("paused", by.Subject()), zap.String("reason", by.Reason)}
	l.worker.logger.Info("lane waits: its next command is paused", fields...)
	// the row must not say that the lane is held: it is not any longer
	for settled := false; ; {
		if !settled || l.publisher.progress().published.Compare(l.removed) > 0 {
			err := l.tidy(ctx)
			if errors.Is(err, outbox.ErrLost) {
				return err
			}
			if err == nil {
				settled = true
				l.held.Store(false)
			}
		}
		if err := l.rest(ctx, l.worker.pauseCheck, l.nudged); err != nil {
			return err
		}
		if l.readerEnded() {
			// so that the lane sees what has become of its stream meanwhile
			return errReadAgain
		}
		paused, err := l.isPaused(ctx, next)
		switch {
		case err != nil:
			// no news: a lane that does nothing does it right
			l.worker.logger.Debug("a paused lane can't see whether it may go on, will look again", zap.Stringer("lane", l.lane), zap.Error(err))
		case !paused:
			l.worker.logger.Info("lane goes on: its next command is no longer paused", fields...)
			return nil
		}
	}
}

// errReadAgain says that a batch was given up because its reader had ended.
var errReadAgain = errors.New("the reader has ended")

func (l *laneRun) readerEnded() bool {
	r := l.reader.Load()
	if r == nil {
		return false
	}
	select {
	case <-r.ended:
		return true
	default:
		return false
	}
}

func (l *laneRun) isPaused(ctx context.Context, next *messages.Received) (paused bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	rows, err := l.worker.pool.Query(ctx, loadPausesSQL, l.lane.Class.Letter(), []string{"", next.Organization.Token})
	if err != nil {
		return false, err
	}
	err = forEachPause(rows, l.lane.Class, func(Pause) { paused = true })
	return paused, err
}
