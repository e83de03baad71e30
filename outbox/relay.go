package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"connect-provider/messages"
)

// ErrLost says that the lane has another owner, or that the database is not
// the one the owner knew. Whoever gets it drops all that it holds of the lane.
var ErrLost = errors.New("lane is owned by another worker")

// RelayConfig is what a Relay works with.
type RelayConfig struct {
	NATS    *nats.Conn
	Lane    messages.Lane
	Logger  *zap.Logger
	Metrics *Metrics
	// Confirm returns nil while the lane is still owned, an error that wraps
	// ErrLost when it is not, and any other error when it can't be known.
	Confirm func(ctx context.Context) error
	// Remember writes to the lane's row that a span is being compared with the
	// stream, so that a successor goes on with it.
	Remember func(ctx context.Context, span Span) error
	// Timeout bounds one publish's wait for its answer, and that of Inspect.
	Timeout time.Duration
	// TracerProvider takes the relay's spans; nil: none are made.
	TracerProvider trace.TracerProvider
}

// Relay publishes one lane's events for as long as one worker owns the lane.
// Its methods are called one at a time.
type Relay struct {
	config   RelayConfig
	js       jetstream.JetStream
	wire     wire
	last     LastEvent
	replay   *replay // nil unless a restored database is catching up
	finished *Span
	tracing  *tracing
	sending  *sending // of the Publish at hand
}

// NewRelay returns a relay that knows nothing of its lane yet: call Inspect
// and Resume first.
func NewRelay(config RelayConfig) (*Relay, error) {
	js, err := jetstream.New(config.NATS)
	if err != nil {
		return nil, err
	}
	return &Relay{
		config: config, js: js,
		wire:    wire{nc: config.NATS, expect: config.Lane.EventFilter(), timeout: config.Timeout},
		tracing: newTracing(config.TracerProvider, config.Lane),
	}, nil
}

// Inspect reads the lane's last event. It tries once, for at most as long as a
// publish.
func (r *Relay) Inspect(ctx context.Context) (LastEvent, error) {
	ctx, cancel := context.WithTimeout(ctx, r.config.Timeout)
	defer cancel()
	last, err := readLastEvent(ctx, r.js, r.config.Lane)
	if err == nil {
		r.last = last
	}
	return last, err
}

// Resume publishes what the former owner left in the outbox, behind the event
// that Inspect found. span is nil, or what is to be replayed after a restore
// (see Span), which the caller has written to the lane's row before.
func (r *Relay) Resume(ctx context.Context, leftovers []Row, span *Span) error {
	r.Close()
	if span == nil {
		for len(leftovers) > 0 && !r.last.Position.Less(leftovers[0].Position) {
			leftovers = leftovers[1:]
		}
	} else {
		r.compare(span.From, span.Until)
	}
	return r.Publish(ctx, leftovers)
}

// Close ends what a replay still reads. The relay must not be used after it,
// save by Resume.
func (r *Relay) Close() {
	if r.replay != nil {
		r.replay.close()
		r.replay = nil
	}
}

// LastEvent returns the lane's last event as far as this relay knows.
func (r *Relay) LastEvent() LastEvent { return r.last }

// Finished returns the last span that this relay has replayed to its end, nil
// if there was none. The lane's row need not remember it any longer.
func (r *Relay) Finished() *Span { return r.finished }

// Publish brings rows, the next ones in order of position, into the events
// stream, retrying for as long as the lane is owned. It returns nil when every
// one of them is there; ErrLost, or the context's error, when that can't be
// said: the rows still stand in the table, and some may be in the stream. Its
// span is a child of the one that ctx has.
func (r *Relay) Publish(ctx context.Context, rows []Row) error {
	r.sending = r.tracing.start(ctx, rows)
	err := r.insist(ctx, rows)
	r.sending.end(err)
	r.sending = nil
	return err
}

// insist publishes rows, one try after another.
func (r *Relay) insist(ctx context.Context, rows []Row) error {
	retry := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(10*time.Millisecond), backoff.WithMaxInterval(2*time.Second), backoff.WithMaxElapsedTime(0))
	for len(rows) > 0 {
		rest, err := r.attempt(ctx, rows)
		rows = rest
		if err == nil {
			retry.Reset()
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.config.Metrics.refused(err)
		r.sending.retry(err)
		pause := retry.NextBackOff()
		r.config.Logger.Warn("the events stream has not taken outcome events, will retry",
			zap.Stringer("lane", r.config.Lane), zap.Int("events", len(rows)), zap.Duration("retry_in", pause), zap.Error(err))
		if err := r.settle(ctx, retry, pause); err != nil {
			return err
		}
	}
	return nil
}

// settle waits, then makes sure that the lane is still owned and reads its
// last event, until both have succeeded or the lane is lost.
func (r *Relay) settle(ctx context.Context, retry backoff.BackOff, pause time.Duration) error {
	for {
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		err := r.config.Confirm(ctx)
		if errors.Is(err, ErrLost) {
			return err
		}
		known := r.last
		if err == nil {
			_, err = r.Inspect(ctx)
		}
		if err == nil {
			r.compareSince(known)
			if r.replay == nil {
				return nil
			}
			if err = r.config.Remember(ctx, r.replay.span); err == nil || errors.Is(err, ErrLost) {
				return err
			}
			r.last = known // so that the next round compares as well
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		pause = retry.NextBackOff()
	}
}

// compareSince has the rows compared with what has been added to the lane
// behind the last event that was known. Those may be the rows themselves, whose
// acknowledgement was lost. They may as well be a former owner's, who went on
// from a state that the database no longer has: then they reach beyond the rows
// at hand, or tell other outcomes.
func (r *Relay) compareSince(known LastEvent) {
	from, until := known.Sequence, r.last.Position
	if known.StreamCreated != r.last.StreamCreated {
		from = 0
	}
	if r.replay != nil {
		from, until = min(from, r.replay.span.From), r.replay.span.Until
	} else if r.last.Sequence <= from {
		return
	}
	r.compare(from, until)
}

// compare begins a replay of a span, or begins it again. It reaches at least as
// far as the lane's last event: a row up to there is published already, or it
// is late.
func (r *Relay) compare(from uint64, until messages.Position) {
	r.Close()
	if until.Less(r.last.Position) {
		until = r.last.Position
	}
	r.replay = newReplay(r.js, r.config.Lane, Span{From: from, Until: until})
}

// attempt publishes one batch of rows and returns those that are left.
func (r *Relay) attempt(ctx context.Context, rows []Row) (rest []Row, err error) {
	batch := rows[:min(len(rows), maxBatch)]
	events, done, err := r.prepare(ctx, batch)
	if err != nil {
		return rows, err
	}
	if len(events) > 0 {
		start := time.Now()
		last, err := r.wire.publish(ctx, r.last.Sequence, events)
		if err != nil {
			return rows, err
		}
		r.last.Sequence, r.last.Position, r.last.Time = last, events[len(events)-1].position, time.Now()
		r.config.Metrics.published(len(events), time.Since(start))
		r.sending.accepted(len(events))
	}
	if done {
		r.config.Logger.Info("the lane has caught up with its events", zap.Stringer("lane", r.config.Lane))
		r.finished = &r.replay.span
		r.Close()
	}
	return rows[len(batch):], nil
}

// prepare turns rows into what is to be published of them. done says that the
// rows go beyond the span being replayed.
func (r *Relay) prepare(ctx context.Context, rows []Row) (events []publication, done bool, err error) {
	events = make([]publication, 0, len(rows))
	position := r.last.Position
	for _, row := range rows {
		event := publication{subject: row.Subject, payload: row.Payload}
		if r.replay != nil && !r.replay.beyond(row.Position) {
			merged, send, err := r.replay.merge(ctx, r.last.Sequence, row)
			if err != nil {
				return nil, false, fmt.Errorf("merge with the lane's events: %w", err)
			}
			if !send {
				r.config.Metrics.replayed("equal")
				continue
			}
			event.subject, event.payload = merged.subject, merged.payload
			if merged.corrects != nil {
				r.config.Metrics.replayed("corrected")
				r.config.Logger.Warn("outcome differs from the one that was published before, publishing a correction",
					zap.Stringer("lane", r.config.Lane), zap.Stringer("position", row.Position), zap.Stringer("corrects", *merged.corrects))
			} else {
				r.config.Metrics.replayed("late")
			}
		} else {
			done = r.replay != nil
		}
		if row.Position.Compare(position) > 0 {
			position = row.Position
		}
		event.position = position
		events = append(events, event)
	}
	return events, done, nil
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
