package worker

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"connect-provider/messages"
)

// consumerLife is how long the server keeps a consumer that nobody reads.
const consumerLife = 30 * time.Second

// errLogDiffers says that the message at the cursor is not the one the cursor
// was set on.
var errLogDiffers = errors.New("the stream is not the log that the cursor counts in")

// reader is one life of a lane's ordered consumer. It has no acknowledgements:
// the cursor is the acknowledgement. Anything that leaves a doubt about order
// or completeness (a gap, a missed heartbeat, a lost consumer, a reconnect)
// ends it; the lane opens another from its cursor, after checking that the
// stream is still the same log.
type reader struct {
	queue    *queue
	js       jetstream.JetStream
	consumer jetstream.Consumer
	cancel   context.CancelFunc
	ended    chan struct{}
	err      error // why it ended; read after ended is closed

	pending atomic.Uint64 // messages behind the last one delivered
	// nanoseconds that went, since the last batch was taken, into waiting for
	// messages that the stream had, and into decoding
	fetching, decoding atomic.Int64
}

// openReader starts an ordered consumer of one lane at a stream sequence.
func openReader(ctx context.Context, js jetstream.JetStream, lane messages.Lane, start uint64, queued *budget) (*reader, error) {
	name := "lane-" + lane.String() + "-" + nuid.Next()
	consumer, err := js.CreateConsumer(ctx, lane.Class.Stream(), jetstream.ConsumerConfig{
		Name:              name,
		Description:       "lane " + lane.String() + "; its position is the cursor in Postgres",
		FilterSubject:     lane.CommandFilter(),
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       max(start, 1),
		AckPolicy:         jetstream.AckNonePolicy,
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: consumerLife,
	})
	if err != nil {
		return nil, fmt.Errorf("consumer of lane %s: %w", lane, err)
	}
	r := &reader{js: js, consumer: consumer, queue: newQueue(queued), ended: make(chan struct{})}
	r.pending.Store(consumer.CachedInfo().NumPending)
	return r, nil
}

// start begins to deliver. atCursor, if not nil, is the message that must come
// first; it was applied before and is not delivered.
func (r *reader) start(ctx context.Context, streamCreated time.Time, atCursor *cursorMark) error {
	ctx, cancel := context.WithCancel(ctx)
	info := r.consumer.CachedInfo()
	f, err := openFeed(ctx, r.js, info.Stream, info.Name)
	if err != nil {
		cancel()
		return err
	}
	r.cancel = cancel
	go func() {
		r.err = r.pump(ctx, f, streamCreated, atCursor)
		r.queue.close()
		f.close()
		close(r.ended)
	}()
	return nil
}

// cursorMark identifies the message that a cursor stands on.
type cursorMark struct {
	sequence uint64
	time     int64
}

func (r *reader) pump(ctx context.Context, f *feed, streamCreated time.Time, atCursor *cursorMark) error {
	var consumed, last uint64
	for {
		began := time.Now()
		message, err := f.next(ctx)
		if err != nil {
			return fmt.Errorf("read commands: %w", err)
		}
		arrived := time.Now()
		if r.pending.Load() > 0 {
			r.fetching.Add(int64(arrived.Sub(began)))
		}
		metadata, err := message.Metadata()
		if err != nil {
			return fmt.Errorf("read commands: %w", err)
		}
		if metadata.Sequence.Consumer != consumed+1 || metadata.Sequence.Stream <= last {
			return fmt.Errorf("read commands: message %d came after %d messages and sequence %d", metadata.Sequence.Consumer, consumed, last)
		}
		consumed, last = metadata.Sequence.Consumer, metadata.Sequence.Stream
		if atCursor != nil {
			if last != atCursor.sequence || metadata.Timestamp.UnixNano() != atCursor.time {
				return errLogDiffers
			}
			atCursor = nil
			r.pending.Store(metadata.NumPending)
			continue
		}
		received := messages.Decode(messages.Message{
			StreamCreated: streamCreated, Time: metadata.Timestamp, Sequence: last,
			Subject: message.Subject, Header: message.Header, Body: message.Data,
		})
		r.decoding.Add(int64(time.Since(arrived)))
		r.pending.Store(metadata.NumPending)
		if err := r.queue.put(ctx, &received); err != nil {
			return err
		}
	}
}

// refresh asks the server how many messages are waiting.
func (r *reader) refresh(ctx context.Context) {
	if info, err := r.consumer.Info(ctx); err == nil {
		r.pending.Store(info.NumPending)
	}
}

// close ends the consumer, here and on the server.
func (r *reader) close(ctx context.Context, js jetstream.JetStream, lane messages.Lane) {
	if r.cancel != nil {
		r.cancel()
		<-r.ended
	}
	r.queue.discard()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	// best effort: the server drops it by itself after consumerLife
	_ = js.DeleteConsumer(ctx, lane.Class.Stream(), r.consumer.CachedInfo().Name)
}
