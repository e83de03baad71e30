package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"
	"go.uber.org/zap"

	"connect-provider/messages"
	"connect-provider/outbox"
)

const (
	// poisonAfter is how often a command must fail with a data error, alone,
	// until it is taken for the cause.
	poisonAfter = 2
	// heldRetry is the longest pause between two tries of a held lane.
	heldRetry = 5 * time.Second
)

// apply brings a batch into the database, however long that takes, and hands
// its events to the publisher. It returns nil when the whole batch is
// committed; else the lane is lost or asked to finish, or the program ends.
//
// patience is how long an error that nobody classified, or a conflict with
// others, may last before the batch is halved.
func (l *laneRun) apply(ctx context.Context, batch []*messages.Received, patience time.Duration) error {
	retry := newBackOff()
	var poisoned map[uint64]string
	failures := 0
	var stuckSince time.Time
	for {
		l.oldest.Store(batch[0].Time.UnixNano())
		rows, err := l.tryBatch(ctx, batch, poisoned)
		if err == nil {
			l.held.Store(false)
			if poisoned != nil {
				l.tellPoisoned(batch[0], poisoned)
			}
			rest := behind(batch, l.row.cursor)
			l.applying.Add(int64(len(rest) - len(batch)))
			if err := l.publisher.enqueue(ctx, rows, l.span.context()); err != nil || len(rest) == 0 {
				return err
			}
			// what is behind is paused; what was the matter before is not its matter
			batch, poisoned, failures, stuckSince = rest, nil, 0, time.Time{}
			retry.Reset()
			continue
		}
		c := classify(ctx, err)
		var paused *pausedError
		if errors.As(err, &paused) && c == classPaused {
			if err := l.awaitResume(ctx, batch[0], paused.Pause); err != nil {
				return err
			}
			stuckSince = time.Time{}
			retry.Reset()
			continue
		}
		if poisoned != nil && (c == classData || c == classUnknown || c == classPlatform) {
			// it is not the command's content that keeps its failure from being
			// written, and there is no other way to be rid of it: giving it up
			// without an outcome would lose it
			c = classUnknown
			err = fmt.Errorf("not even its failure can be written (%w), so skipping it does not help: mend what keeps the row from being written; it is to fail because of: %s",
				err, poisoned[batch[0].Sequence])
		}
		l.worker.metrics.retried(l.lane.Class, c)
		l.span.retry(c, err)
		switch c {
		case classStopped, classLost:
			return err
		case classData:
			if len(batch) > 1 {
				l.worker.logger.Warn("a batch can't be applied, halving it to find the command that breaks it",
					zap.Stringer("lane", l.lane), zap.Int("commands", len(batch)), zap.Error(err))
				return l.applyHalves(ctx, batch, patience)
			}
			if failures++; failures >= poisonAfter {
				poisoned = map[uint64]string{batch[0].Sequence: err.Error()}
				continue
			}
		}
		if !c.narrowed() {
			stuckSince = time.Time{}
		} else if stuckSince.IsZero() {
			stuckSince = time.Now()
		}
		if stuck := time.Since(stuckSince); c.narrowed() && stuck >= patience && l.worker.committedSince(stuckSince) {
			if len(batch) > 1 {
				return l.applyHalves(ctx, batch, min(patience, time.Second))
			}
			if c == classAgain {
				// others would have let it through by now
				c = classUnknown
				err = fmt.Errorf("decided again and again for %s: %w", stuck.Round(time.Second), err)
			}
			skip, reason := l.hold(ctx, batch[0], err)
			if skip && poisoned == nil {
				poisoned = map[uint64]string{batch[0].Sequence: "skipped by an operator: " + reason}
				continue
			}
			retry.MaxInterval = heldRetry
		}
		pause := retry.NextBackOff()
		l.logRetry(c, batch, pause, err)
		var wake <-chan struct{}
		if l.held.Load() {
			wake = l.nudged // an operator may have asked to skip the command
		}
		if err := l.rest(ctx, pause, wake); err != nil {
			return err
		}
	}
}

// behind returns the part of a batch that a cursor has not passed.
func behind(batch []*messages.Received, cursor uint64) []*messages.Received {
	for i, received := range batch {
		if received.Sequence > cursor {
			return batch[i:]
		}
	}
	return nil
}

// rest waits between two tries, or until it is woken. A lane that is asked to
// finish tries no more.
func (l *laneRun) rest(ctx context.Context, d time.Duration, wake <-chan struct{}) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-l.drain:
		return errHandedBack
	case <-wake:
		return nil
	case <-timer.C:
		return nil
	}
}

// applyHalves applies each half on its own. The first half moves the cursor
// before the second is tried.
func (l *laneRun) applyHalves(ctx context.Context, batch []*messages.Received, patience time.Duration) error {
	l.span.halved(len(batch))
	middle := len(batch) / 2
	if err := l.apply(ctx, batch[:middle], patience); err != nil {
		return err
	}
	return l.apply(ctx, batch[middle:], patience)
}

// tellPoisoned says that a command was given up, once it has been.
func (l *laneRun) tellPoisoned(received *messages.Received, poisoned map[uint64]string) {
	l.worker.metrics.isolated(l.lane.Class)
	l.span.isolated(received)
	l.worker.logger.Error("a command can't be processed: it failed with internal_error and left a dead letter (connectctl dead-letters)",
		zap.Stringer("lane", l.lane), zap.Uint64("sequence", received.Sequence),
		zap.String("org", received.Organization.Token), zap.String("cause", poisoned[received.Sequence]))
}

func (l *laneRun) logRetry(c class, batch []*messages.Received, pause time.Duration, err error) {
	fields := []zap.Field{zap.Stringer("lane", l.lane), zap.Stringer("class", c), zap.Int("commands", len(batch)),
		zap.Uint64("first_sequence", batch[0].Sequence), zap.Duration("retry_in", pause), zap.Error(err)}
	switch c {
	case classOperator:
		l.worker.logger.Error("batch not applied: the database needs an operator (migrate it, or grant the worker's role its rights); will retry", fields...)
	case classPlatform:
		l.worker.logger.Error("batch not applied: the platform's side of the database can't be read (does a view of schema telephony fail?); will retry", fields...)
	case classAgain:
		l.worker.logger.Debug("batch not applied, deciding it again", fields...)
	default:
		l.worker.logger.Warn("batch not applied, will retry", fields...)
	}
}

// tryBatch applies a batch once, as one of the few that are in flight, and
// moves what the lane knows of its cursor. A COMMIT in doubt is settled before
// it returns.
func (l *laneRun) tryBatch(ctx context.Context, batch []*messages.Received, poisoned map[uint64]string) ([]outbox.Row, error) {
	release, err := l.granted, error(nil)
	l.granted = nil
	if release == nil {
		if release, err = l.worker.slot(ctx, l.lane.Class); err != nil {
			return nil, err
		}
	}
	defer release()
	decisions, rows, move, err := l.transact(ctx, batch, poisoned)
	if errors.Is(err, errInDoubt) {
		l.span.doubt()
		err = l.settleDoubt(ctx, move, err)
	}
	l.span.settled(ctx, err)
	if err != nil {
		return nil, err
	}
	l.moved(move)
	l.worker.metrics.decided(l.lane, decisions)
	return rows, nil
}

// settleDoubt finds out, on a new connection, whether a COMMIT whose reply was
// lost has happened. Locking the lane's row waits for the backend that may
// still be at it. It returns nil if it has, and the cause if it has not.
func (l *laneRun) settleDoubt(ctx context.Context, move cursorMove, cause error) error {
	l.worker.metrics.doubts.Inc()
	retry := newBackOff()
	for {
		committed, err := l.hasCommitted(ctx, move)
		switch {
		case err == nil && committed:
			l.worker.logger.Info("commit was in doubt and has happened", zap.Stringer("lane", l.lane), zap.Uint64("cursor", move.to), zap.NamedError("doubt", cause))
			return nil
		case err == nil:
			// wrapped without errInDoubt: from here on it is a plain failure
			return fmt.Errorf("commit did not happen: %w", errDecideAgain)
		case errors.Is(err, outbox.ErrLost), ctx.Err() != nil:
			return err
		}
		pause := retry.NextBackOff()
		l.worker.logger.Warn("commit in doubt and the database does not answer, will ask again",
			zap.Stringer("lane", l.lane), zap.Duration("retry_in", pause), zap.Error(err))
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

func newBackOff() *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(20*time.Millisecond), backoff.WithMaxInterval(2*time.Second), backoff.WithMaxElapsedTime(0))
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
