package worker

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"connect-provider/messages"
	"connect-provider/outbox"
)

const (
	// publishPatience is how long a lane that is handed back goes on trying to
	// publish what it has committed.
	publishPatience = 3 * time.Second
	// tidyAfter is how long a lane must be idle before it removes its outbox
	// rows in a transaction of their own.
	tidyAfter = 250 * time.Millisecond
)

// errHandedBack says that a lane was asked to finish while something failed.
var errHandedBack = errors.New("lane handed back")

// laneRun is one acquisition of a lane, from claim to loss or release. All it
// knows can be lost: the database and the streams have it.
type laneRun struct {
	worker    *Worker
	lane      messages.Lane
	row       laneRow
	removed   messages.Position // outbox rows up to here are gone
	publisher *publisher
	reached   atomic.Pointer[standing] // the row's, for other goroutines
	held      atomic.Bool
	paused    atomic.Bool
	nudged    chan struct{} // told when there may be news of a pause or a skip
	granted   func()        // gives back the slot that the next try has already
	span      *batchSpan    // of the batch at hand

	ctx      context.Context // ends when the lane is dropped
	drop     context.CancelCauseFunc
	drain    chan struct{} // closed: finish, then release
	draining sync.Once
	ended    chan struct{}

	reader      atomic.Pointer[reader]
	applying    atomic.Int64 // number of messages in the batch at hand
	oldest      atomic.Int64 // time of its first message, unix nanoseconds
	unpublished atomic.Int64 // events committed and not published yet
}

func newLaneRun(ctx context.Context, w *Worker, row laneRow) *laneRun {
	l := &laneRun{worker: w, lane: row.lane, row: row, drain: make(chan struct{}), ended: make(chan struct{}), nudged: make(chan struct{}, 1)}
	l.ctx, l.drop = context.WithCancelCause(ctx)
	l.reach()
	return l
}

// standing is how far a lane's row says that it has come.
type standing struct {
	position      messages.Position
	eventsCreated int64
	lastEvent     uint64
}

// behind tells whether a row that says s is older than one that says other. A
// lane that has only removed its outbox rows since has the same position.
func (s standing) behind(other standing) bool {
	return s.position.Less(other.position) || s.eventsCreated == other.eventsCreated && s.lastEvent < other.lastEvent
}

// reach notes what the lane's row is known to say.
func (l *laneRun) reach() {
	l.reached.Store(&standing{l.row.position(), l.row.eventsCreated, l.row.lastEvent})
}

// handBack asks the lane to finish what it is at and to release itself.
func (l *laneRun) handBack() { l.draining.Do(func() { close(l.drain) }) }

// run works the lane until it is lost, handed back or the context ends.
func (l *laneRun) run() {
	defer close(l.ended)
	defer l.drop(nil)
	err := l.work(l.ctx)
	if cause := context.Cause(l.ctx); err != nil && cause != nil {
		err = cause
	}
	switch {
	case err == nil, errors.Is(err, errHandedBack):
		l.worker.metrics.leaseChanged("released")
		l.worker.logger.Info("lane released", zap.Stringer("lane", l.lane), zap.Uint64("cursor", l.row.cursor))
	case errors.Is(err, outbox.ErrLost):
		l.worker.laneLost.Store(true)
		l.worker.metrics.leaseChanged("lost")
		l.worker.logger.Warn("lane lost: another worker has it, or the database is not the one it was; its owner goes on from the cursor",
			zap.Stringer("lane", l.lane), zap.Uint64("cursor", l.row.cursor))
	default:
		l.worker.logger.Info("lane dropped without being handed back: a worker takes it over when its lease is over", zap.Stringer("lane", l.lane), zap.NamedError("because", err))
	}
}

func (l *laneRun) work(ctx context.Context) error {
	defer func() {
		if l.publisher != nil {
			l.publisher.relay.Close()
		}
	}()
	if err := l.takeOver(ctx); err != nil {
		return err
	}
	var group sync.WaitGroup
	defer group.Wait()
	publishing, giveUp := context.WithCancel(ctx)
	defer giveUp()
	group.Go(func() {
		if err := l.publisher.run(publishing); err != nil && publishing.Err() == nil {
			l.drop(err)
		}
	})
	if err := l.follow(ctx); err != nil {
		l.drop(err)
		return err
	}
	close(l.publisher.queue)
	select {
	case <-l.publisher.done:
	case <-time.After(publishPatience):
		giveUp() // the outbox has what is left
		<-l.publisher.done
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return l.finish(ctx)
}

// takeOver brings the events stream up to what the former owner committed,
// before anything is read.
func (l *laneRun) takeOver(ctx context.Context) error {
	relay, err := outbox.NewRelay(outbox.RelayConfig{
		NATS: l.worker.config.NATS, Lane: l.lane, Logger: l.worker.logger, Metrics: l.worker.metrics.outbox,
		Confirm: l.confirm, Remember: l.beginReplay, Timeout: l.worker.config.PublishTimeout,
		TracerProvider: l.worker.config.TracerProvider,
	})
	if err != nil {
		return err
	}
	l.publisher = newPublisher(relay, &l.unpublished, &l.worker.unpublished)
	return l.insist(ctx, "take over", func() error {
		leftovers, err := outbox.Pending(ctx, l.worker.pool, l.lane)
		if err != nil {
			return err
		}
		last, err := relay.Inspect(ctx)
		if err != nil {
			return err
		}
		known, replay := l.row.lastEvent, l.row.replay
		if l.row.eventsCreated != last.StreamCreated {
			known = 0
			if replay != nil {
				replay = &outbox.Span{Until: replay.Until}
			}
		}
		span := outbox.SpanAfter(l.row.position(), known, replay, last)
		if span != nil && (l.row.replay == nil || *span != *l.row.replay) {
			if l.row.position().Less(last.Position) {
				l.worker.logger.Warn("the database is behind the lane's events, as after a restore: deciding again, and merging with what was published",
					zap.Stringer("lane", l.lane), zap.Stringer("cursor", l.row.position()), zap.Stringer("until", span.Until))
			}
			if err := l.beginReplay(ctx, *span); err != nil {
				return err
			}
		}
		l.row.replay = span
		return l.publisher.resume(ctx, leftovers, span)
	})
}

// follow reads the lane's commands and applies them, one reader after another,
// until the lane is asked to finish.
func (l *laneRun) follow(ctx context.Context) error {
	retry := newBackOff()
	for {
		from, opened := l.row.position(), time.Now()
		var r *reader
		err := l.insist(ctx, "read its stream", func() (err error) {
			r, err = l.open(ctx)
			return err
		})
		if err != nil {
			return err
		}
		l.reader.Store(r)
		finished, err := l.consume(ctx, r)
		l.reader.Store(nil)
		r.close(ctx, l.worker.js, l.lane)
		if err != nil || finished {
			return err
		}
		if r.err != nil {
			l.worker.metrics.reopened(l.lane.Class)
			l.worker.logger.Info("reading again from the cursor", zap.Stringer("lane", l.lane), zap.Uint64("cursor", l.row.cursor), zap.NamedError("because", r.err))
		}
		// a consumer that ends as soon as it is made must not be made in a circle
		if from != l.row.position() || time.Since(opened) > consumerLife {
			retry.Reset()
		}
		if err := l.rest(ctx, retry.NextBackOff(), nil); err != nil {
			if errors.Is(err, errHandedBack) {
				return nil
			}
			return err
		}
	}
}

// consume applies what a reader delivers, batch after batch. finished says
// that the lane was asked to finish; otherwise the reader has ended.
func (l *laneRun) consume(ctx context.Context, r *reader) (finished bool, err error) {
	idle := time.NewTimer(tidyAfter)
	defer idle.Stop()
	for {
		filled := r.queue.filled
		if l.publisher.busy() {
			filled = nil // until the publisher wakes this loop
		}
		select {
		case <-l.drain:
			return true, nil
		case <-ctx.Done():
			return false, ctx.Err()
		case <-l.publisher.wake:
			idle.Reset(tidyAfter)
		case <-idle.C:
			if l.publisher.progress().published.Compare(l.removed) <= 0 {
				continue
			}
			if err := l.tidy(ctx); errors.Is(err, outbox.ErrLost) {
				return false, err
			} else if err != nil {
				idle.Reset(tidyAfter * 20)
			}
		case <-filled:
			// first the slot, then the batch: it grows while the lane waits, and
			// only lanes at work hold more than their queue
			release, err := l.worker.slot(ctx, l.lane.Class)
			if err != nil {
				return false, err
			}
			batch, more := r.queue.take(l.worker.config.BatchSize)
			if len(batch) == 0 {
				release()
				if !more {
					return false, nil
				}
				continue
			}
			l.worker.metrics.read(l.lane.Class, time.Duration(r.fetching.Swap(0)), time.Duration(r.decoding.Swap(0)))
			l.granted = release
			l.applying.Store(int64(len(batch)))
			l.span = l.worker.tracing.process(l.lane, batch)
			err = l.apply(ctx, batch, l.worker.config.HoldAfter)
			l.span.end(ctx, err)
			l.applying.Store(0)
			switch {
			case errors.Is(err, errHandedBack):
				return true, nil // what is not applied is read again by the next owner
			case errors.Is(err, errReadAgain):
				return false, nil
			}
			if err != nil {
				return false, err
			}
		}
	}
}

// finish removes what was published from the outbox and gives the lane back.
func (l *laneRun) finish(ctx context.Context) error {
	if l.publisher.progress().published.Compare(l.removed) > 0 {
		if err := l.tidy(ctx); err != nil {
			return err
		}
	}
	return l.release(ctx)
}

// insist tries something again, with backoff, until it succeeds, the lane is
// lost or the context ends. A lane that is asked to finish meanwhile is
// released and gives up with errHandedBack.
func (l *laneRun) insist(ctx context.Context, what string, try func() error) error {
	retry := newBackOff()
	for {
		err := try()
		if err == nil || errors.Is(err, outbox.ErrLost) || ctx.Err() != nil {
			return err
		}
		pause := retry.NextBackOff()
		l.worker.logger.Warn("lane stands still, will retry", zap.Stringer("lane", l.lane), zap.String("step", what), zap.Duration("retry_in", pause), zap.Error(err))
		select {
		case <-l.drain:
			if err := l.release(ctx); err != nil {
				return err
			}
			return errHandedBack
		default:
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// lag returns how many messages of the lane are not applied, and for how long
// the oldest of them has been waiting.
func (l *laneRun) lag(now time.Time) (waiting int64, age time.Duration) {
	waiting = l.applying.Load()
	var oldest time.Time
	if waiting > 0 {
		oldest = time.Unix(0, l.oldest.Load())
	}
	if r := l.reader.Load(); r != nil {
		first, queued := r.queue.oldest()
		if oldest.IsZero() {
			oldest = first
		}
		waiting += int64(queued) + int64(r.pending.Load())
	}
	if oldest.IsZero() {
		return waiting, 0
	}
	return waiting, max(0, now.Sub(oldest))
}
