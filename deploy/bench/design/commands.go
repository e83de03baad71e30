package design

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/messages"
)

// commands is the bulk stream as designs read it that acknowledge each message.
type commands struct {
	consumer jetstream.Consumer
	created  time.Time
}

// openCommands makes a consumer that begins with the first command.
func openCommands(ctx context.Context, js jetstream.JetStream) (*commands, error) {
	stream, err := js.Stream(ctx, messages.Bulk.Stream())
	if err != nil {
		return nil, err
	}
	consumer, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: "bench", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 10_000,
	})
	return &commands{consumer, stream.CachedInfo().Created}, err
}

// stored is a message with its place in the stream.
func (c *commands) stored(message jetstream.Msg) (messages.Message, error) {
	metadata, err := message.Metadata()
	if err != nil {
		return messages.Message{}, err
	}
	return messages.Message{
		StreamCreated: c.created, Time: metadata.Timestamp, Sequence: metadata.Sequence.Stream,
		Subject: message.Subject(), Header: message.Headers(), Body: message.Data(),
	}, nil
}
