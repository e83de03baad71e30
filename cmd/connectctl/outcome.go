package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/messages"
)

// repeatAfter is how long a command may be without an outcome until it is looked
// up whether its id was decided before: then there will be no event.
const repeatAfter = time.Second

// question is a published command whose outcome somebody wants to know.
type question struct {
	organization messages.Organization
	class        messages.Class
	command      messages.Command
	sequence     uint64
	// eventsBefore is the last sequence of the events stream from before the
	// command was published.
	eventsBefore uint64
}

// answer is what became of a command. Without an event it is undecided.
type answer struct {
	event *messages.Event
	body  []byte
	// repeat says that the id was decided before, by this outcome, and that
	// nothing was done now.
	repeat bool
	took   time.Duration
}

// lastEvent returns the last sequence of the events stream.
func lastEvent(ctx context.Context, js jetstream.JetStream) (uint64, error) {
	stream, err := js.Stream(ctx, messages.EventsStream)
	if err != nil {
		return 0, fmt.Errorf("stream %s: %w", messages.EventsStream, err)
	}
	return stream.CachedInfo().State.LastSeq, nil
}

// await waits for the command's outcome. If none has come by the end of the
// wait, or of ctx, the answer has no event.
func (q question) await(ctx context.Context, js jetstream.JetStream, wait time.Duration) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	found := make(chan answer, 2)
	failed := make(chan error, 2)
	search := func(find func(context.Context, jetstream.JetStream) (answer, error)) {
		a, err := find(ctx, js)
		switch {
		case err != nil:
			failed <- err
		case a.event != nil:
			found <- a
		}
	}
	go search(q.ownEvent)
	earlier := time.AfterFunc(min(repeatAfter, wait/2), func() { search(q.earlierEvent) })
	defer earlier.Stop()
	select {
	case a := <-found:
		return a, nil
	case err := <-failed:
		if ctx.Err() == nil {
			return answer{}, fmt.Errorf("command %s was accepted (sequence %d); its outcome can't be read: %w", q.command.ID, q.sequence, err)
		}
	case <-ctx.Done():
	}
	return answer{}, nil
}

// ownEvent reads the organization's new events until the command's own.
func (q question) ownEvent(ctx context.Context, js jetstream.JetStream) (answer, error) {
	var found answer
	err := readEvents(ctx, js, onwards, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{eventsOf(q.organization)},
		DeliverPolicy:  jetstream.DeliverByStartSequencePolicy, OptStartSeq: q.eventsBefore + 1,
	}, func(e *messages.Event, body []byte) bool {
		own := e.Lane.Class == q.class && e.Sequence == q.sequence && e.Data.CommandID == q.command.ID
		if own {
			found = answer{event: e, body: body}
		}
		return !own
	})
	return found, err
}

// earlierEvent reads the organization's events of the past for the latest
// outcome of the command's id. It counts only if it is about the same content:
// otherwise the command fails with an event of its own, which is awaited.
func (q question) earlierEvent(ctx context.Context, js jetstream.JetStream) (answer, error) {
	var found answer
	latest := messages.EventID(q.organization.Token, q.command.ID)
	err := readEvents(ctx, js, untilNow, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{eventsOf(q.organization)}, DeliverPolicy: jetstream.DeliverAllPolicy,
	}, func(e *messages.Event, body []byte) bool {
		if e.ID == latest || e.Corrects != nil && *e.Corrects == latest {
			latest, found = e.ID, answer{event: e, body: body, repeat: true}
		}
		return true
	})
	if err != nil || found.event == nil || !q.sameContent(found.event) {
		return answer{}, err
	}
	return found, nil
}

func (q question) sameContent(e *messages.Event) bool {
	return e.Data.BridgeSlug == q.command.BridgeSlug && e.Data.PhoneNumber == q.command.PhoneNumber &&
		e.Data.ProviderConfigID != nil && *e.Data.ProviderConfigID == q.command.ProviderConfigID
}

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
