package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/messages"
)

// outcomes are an organization's events that are newer than itself.
type outcomes struct{ received jetstream.MessagesContext }

// newOutcomes is called before the command is published: what the stream holds
// by then is older than the outcome. The consumer needs no durable name, nobody
// will ask for these events again.
func newOutcomes(ctx context.Context, js jetstream.JetStream, organization messages.Organization) (*outcomes, error) {
	stream, err := js.Stream(ctx, messages.EventsStream)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", messages.EventsStream, err)
	}
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{"telephony.events.*." + organization.Token + ".>"}, // * is the lane
		DeliverPolicy:  jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:    stream.CachedInfo().State.LastSeq + 1,
	})
	if err != nil {
		return nil, err
	}
	received, err := consumer.Messages()
	return &outcomes{received}, err
}

// of waits for the outcome of a command's id.
func (o *outcomes) of(ctx context.Context, id string) (messages.Event, error) {
	defer o.received.Stop()
	for {
		message, err := o.received.Next(jetstream.NextContext(ctx))
		if err != nil {
			return messages.Event{}, err
		}
		event, err := messages.DecodeEvent(message.Data())
		switch {
		case errors.Is(err, messages.ErrUnknownEventType):
			continue
		case err != nil:
			return messages.Event{}, err
		case event.CommandID == id:
			return event, nil
		}
	}
}
