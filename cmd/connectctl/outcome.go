package main

import (
	"context"
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
