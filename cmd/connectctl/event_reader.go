package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"connect-provider/messages"
)

const (
	readHeartbeat = 5 * time.Second
	readExpiry    = 30 * time.Second
)

// eventReader reads the events stream in order, each event once, through
// whatever happens to the connection, the server, the consumer and the stream.
// It reads in spells: each begins with a consumer that is looked at or made
// anew, and ends with the connection or the first thing that is not as expected.
type eventReader struct {
	js     jetstream.JetStream
	logger *zap.Logger
	source eventSource
	from   start
	far    reach

	last    bookmark
	begun   bool   // whether a spell has begun
	left    uint64 // events to read until now
	again   uint64 // events to be delivered again until now
	waiting string // why nothing can be read, as it was said; empty while reading
}

// takeEvent is given each event. Reading ends with its error, or when there is
// to be no more.
type takeEvent func(message jetstream.Msg, event *jetstream.MsgMetadata) (more bool, err error)

// read reads as far as asked, until take wants no more or ctx ends. What goes
// wrong before the first spell is an error; later it is said and waited for,
// unless the connection was given up.
func (r *eventReader) read(ctx context.Context, take takeEvent) error {
	pause := backoff.NewExponentialBackOff(backoff.WithInitialInterval(100*time.Millisecond),
		backoff.WithMaxInterval(3*time.Second), backoff.WithMaxElapsedTime(0))
	for {
		before := r.last
		ended, err := r.spell(ctx, take)
		if ended {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		default:
		}
		if !r.begun || r.js.Conn().IsClosed() {
			return r.explain(err)
		}
		r.wait(err)
		if r.last != before {
			pause.Reset()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause.NextBackOff()):
		}
	}
}

var errDisconnected = errors.New("the connection to NATS is interrupted")

// spell reads until something happens; ended says that there is to be no other
// spell.
func (r *eventReader) spell(ctx context.Context, take takeEvent) (ended bool, err error) {
	if err := r.awaitConnection(ctx); err != nil {
		return false, err
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	interrupted := r.js.Conn().StatusChanged(nats.RECONNECTING, nats.CLOSED)
	defer r.js.Conn().RemoveStatusListener(interrupted)
	go func() {
		select {
		case <-interrupted:
			end(errDisconnected)
		case <-ctx.Done():
		}
	}()
	consumer, err := r.source.open(ctx, r)
	if err != nil {
		return false, cause(ctx, err)
	}
	r.resume(consumer.CachedInfo())
	if r.far == untilNow && r.left+r.again == 0 {
		return true, nil
	}
	iterator, err := consumer.Messages(r.source.atOnce(),
		jetstream.PullExpiry(readExpiry), jetstream.PullHeartbeat(readHeartbeat))
	if err != nil {
		return false, cause(ctx, err)
	}
	defer iterator.Stop()
	for {
		message, err := next(ctx, iterator)
		if err != nil {
			return false, cause(ctx, err)
		}
		more, err := r.take(ctx, message, take)
		if err != nil || !more {
			var spelled spellError
			if errors.As(err, &spelled) {
				return false, cause(ctx, spelled.error)
			}
			return true, err
		}
	}
}

// next waits twice: nats.go (1.55) asks for messages when Next is called, but not
// while it is still busy with the last asking. Where that was for one message, and
// the message was here and dealt with sooner, nothing is asked for, and nothing
// comes until the next call.
func next(ctx context.Context, iterator jetstream.MessagesContext) (jetstream.Msg, error) {
	soon, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	message, err := iterator.Next(jetstream.NextContext(soon))
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return iterator.Next(jetstream.NextContext(ctx))
	}
	return message, err
}

// spellError ends a spell, others end the reading.
type spellError struct{ error }

func (r *eventReader) take(ctx context.Context, message jetstream.Msg, take takeEvent) (more bool, err error) {
	event, err := message.Metadata()
	if err != nil {
		return false, fmt.Errorf("read %s: %w", messages.EventsStream, err)
	}
	isNew, err := r.source.isNew(event, r)
	if err != nil {
		return false, spellError{err}
	}
	more = true
	if isNew {
		if more, err = take(message, event); err != nil {
			return false, err
		}
		r.count(event)
		if !r.last.covers(event) {
			r.last = bookmark{sequence: event.Sequence.Stream, at: event.Timestamp, read: true}
		}
	}
	if err := r.source.done(ctx, message, event); err != nil && more {
		return false, spellError{err}
	}
	return more && (r.far == onwards || r.again > 0 || r.left > 0 && event.NumPending > 0), nil
}

// count takes an event off what is to be read until now.
func (r *eventReader) count(event *jetstream.MsgMetadata) {
	if event.NumDelivered > 1 {
		r.again -= min(r.again, 1)
	} else {
		r.left -= min(r.left, 1)
	}
}

func (r *eventReader) awaitConnection(ctx context.Context) error {
	nc := r.js.Conn()
	changed := nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer nc.RemoveStatusListener(changed)
	for !nc.IsConnected() {
		if nc.IsClosed() {
			return nats.ErrConnectionClosed
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// wait says once why nothing can be read. What happens to the connection, the
// connection says, and what to the stream, the source.
func (r *eventReader) wait(err error) {
	if errors.Is(err, errAnotherStream) {
		return
	}
	if r.waiting != err.Error() && !errors.Is(err, errDisconnected) {
		r.logger.Warn("events can't be read, will go on behind the last one", zap.Error(err), zap.Uint64("last_event", r.last.sequence))
	}
	r.waiting = err.Error()
}

// resume begins a spell.
func (r *eventReader) resume(info *jetstream.ConsumerInfo) {
	if !r.begun {
		r.begun, r.left, r.again = true, info.NumPending, uint64(info.NumAckPending)
	}
	r.left, r.again = min(r.left, info.NumPending), min(r.again, uint64(info.NumAckPending))
	if r.waiting != "" {
		r.logger.Warn("reading events again", zap.Uint64("behind_event", r.last.sequence))
	}
	r.waiting = ""
}

// ownUser is what an organization that reads its own events has to give.
const ownUser = "an organization's own user names the organization (--org) and the consumer that its operator has given it (--consumer), and perhaps an inbox prefix (NATS_INBOX_PREFIX)"

// explain says what to do about what keeps reading from beginning.
func (r *eventReader) explain(err error) error {
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return fmt.Errorf("there is no stream %s: create the streams with `connect-provider streams`, and check that this is the right server", messages.EventsStream)
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return fmt.Errorf("read %s: %w: check that this is the right server, and its JetStream domain (NATS_JS_DOMAIN); %s", messages.EventsStream, err, ownUser)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return fmt.Errorf("read %s: no answer: this user may not be allowed to read it like that; %s", messages.EventsStream, ownUser)
	}
	return fmt.Errorf("read %s: %w", messages.EventsStream, err)
}

// cause returns why ctx has ended, if it has, in place of what came of it.
func cause(ctx context.Context, err error) error {
	if ended := context.Cause(ctx); ended != nil {
		return ended
	}
	return err
}
