package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/messages"
)

// subscribe hands an organization's outcome events to handle, in order, from
// where the durable consumer stopped last, until ctx ends or handle fails.
func subscribe(ctx context.Context, js jetstream.JetStream, organization messages.Organization, durable string,
	handle func(messages.Event) error,
) error {
	consumer, err := js.CreateOrUpdateConsumer(ctx, messages.EventsStream, jetstream.ConsumerConfig{
		Durable:       durable,
		FilterSubject: "telephony.events.*." + organization.Token + ".>", // * is the lane
		DeliverPolicy: jetstream.DeliverAllPolicy,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       30 * time.Second,
		// One at a time keeps the order also when an event is delivered again.
		// Who needs more speed reads each lane with a consumer of its own.
		MaxAckPending: 1,
	})
	if err != nil {
		return fmt.Errorf("consumer %s of %s: %w", durable, messages.EventsStream, err)
	}
	received, err := consumer.Messages() // asks for many, is given one: MaxAckPending
	if err != nil {
		return err
	}
	defer received.Stop()
	for {
		message, err := received.Next(jetstream.NextContext(ctx))
		switch {
		case ctx.Err() != nil:
			return nil // what is not acknowledged comes again
		case errors.Is(err, jetstream.ErrNoHeartbeat):
			continue // the server is away; the subscription waits for it
		case err != nil:
			return err
		}
		if err := take(message, handle); err != nil {
			return err
		}
	}
}

// take has an event handled and then acknowledges it. If the acknowledgement is
// lost, the event comes again and is recognized by its id.
func take(message jetstream.Msg, handle func(messages.Event) error) error {
	event, err := messages.DecodeEvent(message.Data())
	switch {
	case errors.Is(err, messages.ErrUnknownEventType):
		return message.Ack() // the outcome of a verb that this program knows nothing of
	case err != nil:
		// Nothing but workers may publish events, so stop: acknowledging what
		// could not be read would lose an outcome.
		return fmt.Errorf("%s: %w", message.Subject(), err)
	}
	if err := handle(event); err != nil {
		return err
	}
	return message.Ack()
}
