package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/messages"
)

// outcome is an event of the benchmark, as the events stream has it.
type outcome struct {
	command uint64    // the command's sequence
	at      time.Time // by NATS' clock, when the stream accepted the event
	failed  bool
}

// readOutcomes reads the benchmark's events that the stream holds behind one
// sequence, up to another.
func (o *organizations) readOutcomes(ctx context.Context, js jetstream.JetStream, after, upTo uint64) ([]outcome, error) {
	var outcomes []outcome
	err := readHeaders(ctx, js, messages.EventsStream, after, upTo, func(message jetstream.Msg, metadata *jetstream.MsgMetadata) error {
		if _, organization, kind, err := messages.ParseEventSubject(message.Subject()); err == nil && o.owns(organization.Token) {
			position, err := messages.ParsePosition(message.Headers().Get(messages.HeaderLanePosition))
			outcomes = append(outcomes, outcome{command: position.Sequence, at: metadata.Timestamp, failed: kind == messages.EventConnectFailed})
			return err
		}
		return nil
	})
	return outcomes, err
}

// readAccepted reads when the benchmark's commands were accepted, by their
// sequence, that the class's stream holds behind one sequence, up to another.
func (o *organizations) readAccepted(ctx context.Context, js jetstream.JetStream, class messages.Class, after, upTo uint64) (map[uint64]time.Time, error) {
	accepted := map[uint64]time.Time{}
	err := readHeaders(ctx, js, class.Stream(), after, upTo, func(message jetstream.Msg, metadata *jetstream.MsgMetadata) error {
		if subject, err := messages.ParseStoredSubject(message.Subject()); err == nil && o.owns(subject.Organization.Token) {
			accepted[metadata.Sequence.Stream] = metadata.Timestamp
		}
		return nil
	})
	return accepted, err
}

// readTimeout is how long the next message of a stream may take.
const readTimeout = 10 * time.Second

// readHeaders reads what a stream holds behind one sequence, up to another, without
// the bodies, and passes it on.
func readHeaders(ctx context.Context, js jetstream.JetStream, stream string, after, upTo uint64, take func(jetstream.Msg, *jetstream.MsgMetadata) error) error {
	if upTo <= after {
		return nil
	}
	consumer, err := js.CreateConsumer(ctx, stream, jetstream.ConsumerConfig{
		Description: "connectctl bench", DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: after + 1,
		AckPolicy: jetstream.AckNonePolicy, HeadersOnly: true, MemoryStorage: true, Replicas: 1, InactiveThreshold: time.Minute,
	})
	if err != nil {
		return fmt.Errorf("read %s: %w", stream, err)
	}
	arriving, err := consumer.Messages(jetstream.PullMaxMessages(5000))
	if err != nil {
		return fmt.Errorf("read %s: %w", stream, err)
	}
	defer func() {
		arriving.Stop()
		_ = js.DeleteConsumer(context.WithoutCancel(ctx), stream, consumer.CachedInfo().Name) // the server forgets it soon
	}()
	for {
		message, err := arriving.Next(jetstream.NextMaxWait(readTimeout))
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", stream, err)
		}
		metadata, err := message.Metadata()
		if err != nil {
			return fmt.Errorf("read %s: %w", stream, err)
		}
		if err := take(message, metadata); err != nil {
			return fmt.Errorf("read %s: message %d: %w", stream, metadata.Sequence.Stream, err)
		}
		if metadata.Sequence.Stream >= upTo || metadata.NumPending == 0 {
			return nil
		}
	}
}

// lastSequence is that of a stream's last message.
func lastSequence(ctx context.Context, js jetstream.JetStream, stream string) (uint64, error) {
	found, err := js.Stream(ctx, stream)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", stream, err)
	}
	return found.CachedInfo().State.LastSeq, nil
}
