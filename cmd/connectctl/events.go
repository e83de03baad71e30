package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/messages"
)

// eventsOf returns the filter of an organization's events, whatever their lane
// and type.
func eventsOf(o messages.Organization) string { return "telephony.events.*." + o.Token + ".>" }

// reach is how far readEvents reads.
type reach bool

const (
	// onwards goes on with the events that come.
	onwards reach = false
	// untilNow ends at the last event that is in the stream by then.
	untilNow reach = true
)

// readEvents reads outcome events in order and passes them on, as far as asked,
// until take returns false or ctx ends. Events of types that this version does
// not know are passed over.
func readEvents(ctx context.Context, js jetstream.JetStream, far reach, config jetstream.OrderedConsumerConfig,
	take func(e *messages.Event, body []byte) bool) error {
	config.InactiveThreshold = 30 * time.Second
	consumer, err := js.OrderedConsumer(ctx, messages.EventsStream, config)
	if err != nil {
		return fmt.Errorf("read %s: %w", messages.EventsStream, err)
	}
	if far == untilNow && consumer.CachedInfo().NumPending == 0 {
		return nil
	}
	iterator, err := consumer.Messages()
	if err != nil {
		return fmt.Errorf("read %s: %w", messages.EventsStream, err)
	}
	defer iterator.Stop()
	// Next does not return while NATS is away
	stop := context.AfterFunc(ctx, iterator.Stop)
	defer stop()
	for {
		message, err := iterator.Next()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("read %s: %w", messages.EventsStream, err)
		}
		event, err := decodeEvent(message)
		if err != nil && !errors.Is(err, messages.ErrUnknownEventType) {
			return err
		}
		if err == nil && !take(&event, message.Data()) {
			return nil
		}
		if far == untilNow {
			metadata, err := message.Metadata()
			if err != nil {
				return err
			}
			if metadata.NumPending == 0 {
				return nil
			}
		}
	}
}

func decodeEvent(message jetstream.Msg) (messages.Event, error) {
	lane, organization, kind, err := messages.ParseEventSubject(message.Subject())
	if err != nil {
		return messages.Event{}, err
	}
	event, err := messages.DecodeEvent(message.Data())
	event.Lane, event.Organization, event.Type = lane, organization, kind
	return event, err
}
