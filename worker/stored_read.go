package worker

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"connect-provider/messages"
)

// visitorLife is how long the server keeps the consumer of a visitor who went
// away without a word.
const visitorLife = 10 * time.Second

// StoredRange is the part of a stream that somebody wants to look at.
type StoredRange struct {
	Stream string
	// Filter selects subjects.
	Filter string
	// From is the first sequence.
	From uint64
	// Since, unless zero, is in place of From: what was stored then or later.
	Since time.Time
}

// CountStored returns how many messages a range has. It leaves nothing behind.
func CountStored(ctx context.Context, js jetstream.JetStream, r StoredRange) (uint64, error) {
	consumer, err := r.visit(ctx, js)
	if err != nil {
		return 0, err
	}
	r.leave(ctx, js, consumer)
	return consumer.CachedInfo().NumPending, nil
}

// ReadStored reads the messages of a range in order and passes them on, each
// with the number of those that come after it, as far as the last one that the
// stream has by then, or until take returns false. The messages do not carry
// StreamCreated. An error means that the rest was not read.
func ReadStored(ctx context.Context, js jetstream.JetStream, r StoredRange, take func(m messages.Message, left uint64) bool) error {
	consumer, err := r.visit(ctx, js)
	if err != nil {
		return err
	}
	defer r.leave(ctx, js, consumer)
	if consumer.CachedInfo().NumPending == 0 {
		return nil
	}
	// ends the feed's own goroutine with this function
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f, err := openFeed(ctx, js, r.Stream, consumer.CachedInfo().Name)
	if err != nil {
		return err
	}
	defer f.close()
	for read := uint64(1); ; read++ {
		message, err := f.next(ctx)
		if err != nil {
			return fmt.Errorf("read %s: %w", r.Stream, err)
		}
		metadata, err := message.Metadata()
		if err != nil {
			return fmt.Errorf("read %s: %w", r.Stream, err)
		}
		if metadata.Sequence.Consumer != read {
			return fmt.Errorf("read %s: messages were lost on the way", r.Stream)
		}
		more := take(messages.Message{
			Time: metadata.Timestamp, Sequence: metadata.Sequence.Stream,
			Subject: message.Subject, Header: message.Header, Body: message.Data,
		}, metadata.NumPending)
		if !more || metadata.NumPending == 0 {
			return nil
		}
	}
}

// visit makes a consumer that the server forgets by itself.
func (r StoredRange) visit(ctx context.Context, js jetstream.JetStream) (jetstream.Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	config := jetstream.ConsumerConfig{
		Name:              "visitor-" + nuid.Next(),
		Description:       "somebody has a look; nothing depends on it",
		FilterSubject:     r.Filter,
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       max(r.From, 1),
		AckPolicy:         jetstream.AckNonePolicy,
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: visitorLife,
	}
	if !r.Since.IsZero() {
		config.DeliverPolicy, config.OptStartSeq, config.OptStartTime = jetstream.DeliverByStartTimePolicy, 0, &r.Since
	}
	consumer, err := js.CreateConsumer(ctx, r.Stream, config)
	if err != nil {
		return nil, fmt.Errorf("look at %s: %w", r.Stream, err)
	}
	return consumer, nil
}

func (r StoredRange) leave(ctx context.Context, js jetstream.JetStream, consumer jetstream.Consumer) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	// best effort: the server forgets it after visitorLife
	_ = js.DeleteConsumer(ctx, r.Stream, consumer.CachedInfo().Name)
}
