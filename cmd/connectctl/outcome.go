package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/messages"
)

// question is a published command whose outcome somebody wants to know.
type question struct {
	organization messages.Organization
	class        messages.Class
	command      messages.Command
	sequence     uint64
	// eventsBefore is the last sequence of the events stream from before the
	// command was published.
	eventsBefore uint64
	// unread says that the user may not read events, as an organization's
	// producer: then only the workers tell.
	unread bool
}

// answer is what became of a command: its event, or what the workers remember
// of it, or neither while it is undecided.
type answer struct {
	event *messages.Event
	body  []byte
	inquiry
	// repeat says that the id was decided before, and that nothing was done now.
	repeat bool
	// reused says that the id was decided before with other content: the
	// command fails with command_id_reused, if it has not yet. Its event tells
	// it to those who may read events.
	reused bool
	took   time.Duration
}

// data is the outcome, nil while there is none.
func (a *answer) data() *messages.EventData {
	switch {
	case a.event != nil:
		return &a.event.Data
	case a.decided != nil:
		return &a.decided.Data
	}
	return nil
}

// lastEvent returns the last sequence of the events stream.
func lastEvent(ctx context.Context, js jetstream.JetStream) (uint64, error) {
	stream, err := js.Stream(ctx, messages.EventsStream)
	if err != nil {
		return 0, fmt.Errorf("stream %s: %w", messages.EventsStream, err)
	}
	return stream.CachedInfo().State.LastSeq, nil
}

// beforeEvents notes where the events stream stands, or that the user's account
// has no part in it. Call it before the command is published.
func (q *question) beforeEvents(ctx context.Context, js jetstream.JetStream) (err error) {
	q.eventsBefore, err = lastEvent(ctx, js)
	// with the domain nobody answers there, without it the account's own JetStream
	if errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount) {
		q.unread = true
		return nil
	}
	return err
}

// await waits for the command's outcome: for its own event, and, since a
// repeated command has none, for the workers to tell what was decided before.
// If neither has come by the end of the wait, or of ctx, the answer is what is
// known by then.
func (q question) await(ctx context.Context, js jetstream.JetStream, wait time.Duration) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	found := make(chan answer, 1)
	failed := make(chan error, 1)
	if !q.unread {
		go func() {
			a, err := q.ownEvent(ctx, js)
			switch {
			case err != nil:
				failed <- err
			case a.event != nil:
				found <- a
			}
		}()
	}
	inquiries := make(chan inquiry)
	go q.inquire(ctx, js, inquiries)
	known := inquiry{unasked: errNotAsked}
	for {
		select {
		case a := <-found:
			return a, nil
		case err := <-failed:
			if ctx.Err() == nil {
				return answer{}, fmt.Errorf("command %s was accepted (sequence %d); its outcome can't be read: %w", q.command.ID, q.sequence, err)
			}
		case known = <-inquiries:
			if q.repeats(known) {
				return answer{inquiry: known, repeat: true}, nil
			}
			if q.unread && known.decided != nil {
				return answer{inquiry: known, reused: !q.own(known)}, nil
			}
		case <-ctx.Done():
			if !q.own(known) {
				known.decided = nil // it is about another command under the same id
			}
			return answer{inquiry: known}, nil
		}
	}
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
