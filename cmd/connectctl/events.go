package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"connect-provider/messages"
)

// eventsOf returns the filter of an organization's events, whatever their lane
// and type.
func eventsOf(o messages.Organization) string { return "telephony.events.*." + o.Token + ".>" }

// reach is how far events are read.
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
	reader := eventReader{
		js: js, logger: zap.NewNop(), far: far, source: &orderedSource{filters: config.FilterSubjects},
		from: start{policy: config.DeliverPolicy, sequence: config.OptStartSeq, at: config.OptStartTime},
	}
	return reader.read(ctx, func(message jetstream.Msg, _ *jetstream.MsgMetadata) (more bool, err error) {
		event, err := decodeEvent(message)
		switch {
		case errors.Is(err, messages.ErrUnknownEventType):
			return true, nil
		case err != nil:
			return false, fmt.Errorf("read %s: %w", messages.EventsStream, err)
		}
		return take(&event, message.Data()), nil
	})
}

// decodeEvent reads an event. Together with an error it returns what the subject
// tells, if that can be read.
func decodeEvent(message jetstream.Msg) (messages.Event, error) {
	lane, organization, kind, err := messages.ParseEventSubject(message.Subject())
	if err != nil {
		return messages.Event{}, err
	}
	event, err := messages.DecodeEvent(message.Data())
	event.Lane, event.Organization, event.Type = lane, organization, kind
	return event, err
}
