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
// patience is how long an error that nobody classified may last before the
// batch is halved.
func (l *laneRun) apply(ctx context.Context, batch []*messages.Received, patience time.Duration) error {
	retry := newBackOff()
	var poisoned map[uint64]string
	failures := 0
	var unknownSince time.Time
	for {
		rows, err := l.tryBatch(ctx, batch, poisoned)
		if err == nil {
			l.held.Store(false)
			return l.publisher.enqueue(ctx, rows, l.span.context())
		}
		c := classify(ctx, err)
		if c == classData && poisoned != nil {
			// not even its failure can be written: not the command's fault
			c = classUnknown
		}
		l.worker.metrics.retried(l.lane.Class, c)
		l.span.retry(c, err)
		if c != classUnknown {
			unknownSince = time.Time{}
		}
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
				poisoned = l.poison(batch[0], err.Error())
				continue
			}
		}
		if c == classUnknown {
			if unknownSince.IsZero() {
				unknownSince = time.Now()
			}
			if time.Since(unknownSince) >= patience && l.worker.committedSince(unknownSince) {
				if len(batch) > 1 {
					return l.applyHalves(ctx, batch, min(patience, time.Second))
				}
				skip, reason := l.hold(ctx, batch[0], err)
				if skip && poisoned == nil {
					poisoned = l.poison(batch[0], "skipped by an operator: "+reason)
					continue
				}
				retry.MaxInterval = heldRetry
			}
		}
		pause := retry.NextBackOff()
		l.logRetry(c, batch, pause, err)
		if err := l.pause(ctx, pause); err != nil {
			return err
		}
	}
}

// pause waits between two tries. A lane that is asked to finish tries no more.
func (l *laneRun) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-l.drain:
		return errHandedBack
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

func (l *laneRun) poison(received *messages.Received, cause string) map[uint64]string {
	l.worker.metrics.isolated(l.lane.Class)
	l.span.isolated(received)
	l.worker.logger.Error("a command can't be processed: it fails with internal_error and leaves a dead letter",
		zap.Stringer("lane", l.lane), zap.Uint64("sequence", received.Sequence),
		zap.String("org", received.Organization.Token), zap.String("cause", cause))
	return map[uint64]string{received.Sequence: cause}
}

func (l *laneRun) logRetry(c class, batch []*messages.Received, pause time.Duration, err error) {
	fields := []zap.Field{zap.Stringer("lane", l.lane), zap.Stringer("class", c), zap.Int("commands", len(batch)),
		zap.Uint64("first_sequence", batch[0].Sequence), zap.Duration("retry_in", pause), zap.Error(err)}
	switch c {
	case classOperator:
		l.worker.logger.Error("batch not applied: the database needs an operator (migrate it, or grant the worker's role its rights); will retry", fields...)
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
