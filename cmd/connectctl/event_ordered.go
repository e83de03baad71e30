package main

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"go.uber.org/zap"

	"connect-provider/messages"
)

var errAnotherStream = errors.New("the events stream was replaced, cut back or purged")

// orderedSource reads through consumers of its own, which the server forgets
// soon after. It acknowledges nothing.
//
// Where it goes on, it begins with the last event that was read and looks
// whether that is still the one: a sequence number means something only in its
// stream, and a stream that was deleted and created again, or put back to an
// earlier state, has another event there or none. Then the time of the last
// event tells what is new.
//
// Who wants all events gives no filter: for each event that a reader is behind
// with, the server walks through the subjects that a filter with wildcards takes,
// even if these are all.
type orderedSource struct {
	filters []string // none takes all

	delivered uint64 // by the present consumer
	expects   bool   // the last event that was read is to come first
	another   bool   // the stream is another one, of which nothing was read yet
	skipped   uint64 // the event before which one is missing, as was seen before
}

// atOnce is much: the server answers a request in its turn among the writes to
// the stream, and while many lanes write, a turn is long. Readers that asked for
// 500 events at a time came a second late.
func (o *orderedSource) atOnce() jetstream.PullMessagesOpt {
	return jetstream.PullMaxMessagesWithBytesLimit(5000, 4<<20)
}

func (o *orderedSource) open(ctx context.Context, r *eventReader) (jetstream.Consumer, error) {
	o.delivered, o.expects = 0, false
	config := r.beginning()
	bySequence := r.last.read && !o.another
	if bySequence {
		config.DeliverPolicy, config.OptStartSeq, config.OptStartTime = jetstream.DeliverByStartSequencePolicy, r.last.sequence, nil
	}
	config.Name = "connectctl-" + nuid.Next()
	config.AckPolicy, config.InactiveThreshold = jetstream.AckNonePolicy, 30*time.Second
	config.MemoryStorage, config.Replicas = true, 1
	if len(o.filters) == 1 {
		config.FilterSubject = o.filters[0] // the form that permissions can tell apart
	} else {
		config.FilterSubjects = o.filters
	}
	consumer, err := r.js.CreateConsumer(ctx, messages.EventsStream, config)
	if err != nil {
		return nil, err
	}
	info := consumer.CachedInfo()
	if !r.begun {
		r.last = bookmark{sequence: info.Delivered.Stream, at: serverTime(info)}
	}
	if !bySequence {
		return consumer, nil
	}
	// what is older than the stream's first event is not expected
	o.expects = info.Delivered.Stream+1 == r.last.sequence
	switch {
	case o.expects && info.NumPending == 0:
		return nil, o.goOnByTime(r)
	case info.Delivered.Stream > r.last.sequence:
		r.logger.Warn("events have gone from the stream by age or size; of those that were not read some may be missing",
			zap.Uint64("last_event", r.last.sequence), zap.Uint64("next_event", info.Delivered.Stream+1))
	}
	return consumer, nil
}

func (o *orderedSource) isNew(event *jetstream.MsgMetadata, r *eventReader) (bool, error) {
	o.delivered++
	if event.Sequence.Consumer != o.delivered {
		if o.skipped != event.Sequence.Stream {
			o.skipped = event.Sequence.Stream
			return false, errors.New("an event was lost on its way")
		}
		// it would be lost again
		r.logger.Warn("the client library keeps back a message of the events stream", zap.Uint64("before_event", event.Sequence.Stream))
		o.delivered = event.Sequence.Consumer
	}
	if o.expects {
		o.expects = false
		if event.Sequence.Stream != r.last.sequence || !event.Timestamp.Equal(r.last.at) {
			return false, o.goOnByTime(r)
		}
		return false, nil
	}
	if r.last.covers(event) {
		return false, nil
	}
	o.another = false
	return true, nil
}

func (o *orderedSource) goOnByTime(r *eventReader) error {
	o.another = true
	r.logger.Warn("the events stream is not as it was read: it was replaced, cut back or purged; going on from its beginning, without what was read before",
		zap.Uint64("last_event", r.last.sequence), zap.Time("last_event_time", r.last.at))
	return errAnotherStream
}

func (o *orderedSource) done(context.Context, jetstream.Msg, *jetstream.MsgMetadata) error {
	return nil
}
