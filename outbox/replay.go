package outbox

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/messages"
)

// Span is what a lane decides again after its database went back in time.
type Span struct {
	// From is the last event sequence that the database knew to be published;
	// what it lacks comes after it.
	From uint64
	// Until is the position at which the lane has caught up with its events.
	Until messages.Position
}

// SpanAfter returns the span that a new owner of a lane has to replay, or nil.
// cursor is the lane's, known the event sequence that its row remembers (0 if
// it is of another stream), persisted the span in its row, if any.
//
// The span begins no later than at known. Rows are removed in the transaction
// that notes it, so those that a former owner left were published behind it, if
// at all; a span that begins with a publish in doubt may begin further on, behind
// rows that were published before and still stand in the table.
func SpanAfter(cursor messages.Position, known uint64, persisted *Span, last LastEvent) *Span {
	behind := last.Sequence > 0 && cursor.Compare(last.Position) < 0
	switch {
	case persisted != nil:
		span := Span{From: min(persisted.From, known), Until: persisted.Until}
		if behind && span.Until.Compare(last.Position) < 0 {
			span.Until = last.Position
		}
		return &span
	case behind:
		return &Span{From: known, Until: last.Position}
	}
	return nil
}

// version is the newest event of one command: the event itself, or the last
// correction of it.
type version struct {
	id     uuid.UUID
	digest [16]byte
}

// replay merges the rows of a lane that decides again, or whose last publish is
// in doubt, with the events that stand in the stream already.
//
// Rows come in the order in which the events stand there, save for late ones
// and corrections, so reading goes on only as far as the row at hand needs:
// originals that were read and not asked for yet are kept, those asked for are
// dropped. Corrections stand behind what they correct, at any distance, so
// they are gathered by a first pass.
type replay struct {
	js          jetstream.JetStream
	lane        messages.Lane
	span        Span
	events      *eventReader
	originals   map[uuid.UUID]version // read, not asked for yet
	corrections map[uuid.UUID]version // by the id of the event at the chain's beginning
}

func newReplay(js jetstream.JetStream, lane messages.Lane, span Span) *replay {
	return &replay{js: js, lane: lane, span: span, originals: map[uuid.UUID]version{}}
}

// close ends the reading. The replay can't be used after it.
func (p *replay) close() {
	if p.events != nil {
		p.events.close()
	}
}

// beyond tells whether a position lies after the span.
func (p *replay) beyond(position messages.Position) bool {
	return position.Compare(p.span.Until) > 0
}

type merged struct {
	subject  string
	payload  []byte
	corrects *uuid.UUID
}

// merge says what is to be published for a row, if anything. end is the stream
// sequence of the lane's last event.
func (p *replay) merge(ctx context.Context, end uint64, row Row) (merged, bool, error) {
	if p.corrections == nil {
		if err := p.gatherCorrections(ctx, end); err != nil {
			return merged{}, false, err
		}
	}
	event, err := messages.DecodeEvent(row.Payload)
	if err != nil {
		return merged{}, false, fmt.Errorf("outbox row %s: %w", row.Position, err)
	}
	original, found, err := p.original(ctx, end, event.ID)
	if err != nil {
		return merged{}, false, err
	}
	if !found {
		return merged{subject: row.Subject, payload: row.Payload}, true, nil
	}
	newest := original
	if correction, ok := p.corrections[event.ID]; ok {
		newest = correction
	}
	digest := event.OutcomeDigest()
	if digest == newest.digest {
		return merged{}, false, nil
	}
	root := event.ID
	correction := event.Correct(messages.Event{ID: newest.id})
	payload, err := correction.Encode()
	if err != nil {
		return merged{}, false, err
	}
	p.corrections[root] = version{id: correction.ID, digest: digest}
	return merged{subject: row.Subject, payload: payload, corrects: correction.Corrects}, true, nil
}

// original finds the event with an id, reading the lane's events on until it
// is met or the end is.
func (p *replay) original(ctx context.Context, end uint64, id uuid.UUID) (version, bool, error) {
	if found, ok := p.originals[id]; ok {
		delete(p.originals, id)
		return found, true, nil
	}
	if p.events == nil {
		p.events = newEventReader(p.js, p.lane, p.span.From, end)
	}
	for {
		event, more, err := p.events.next(ctx)
		if err != nil {
			p.events = nil
			p.originals = map[uuid.UUID]version{}
			return version{}, false, err
		}
		if !more {
			return version{}, false, nil
		}
		if event.Corrects != nil {
			continue
		}
		read := version{id: event.ID, digest: event.OutcomeDigest()}
		if event.ID == id {
			return read, true, nil
		}
		p.originals[event.ID] = read
	}
}

// gatherCorrections reads the span's events once and keeps the newest
// correction of each command's event. A correction names the version before
// it, so chains are followed from their first event.
func (p *replay) gatherCorrections(ctx context.Context, end uint64) error {
	corrections := map[uuid.UUID]version{}
	roots := map[uuid.UUID]uuid.UUID{}
	events := newEventReader(p.js, p.lane, p.span.From, end)
	defer events.close()
	for {
		event, more, err := events.next(ctx)
		if err != nil {
			return err
		}
		if !more {
			p.corrections = corrections
			return nil
		}
		if event.Corrects == nil {
			continue
		}
		root, ok := roots[*event.Corrects]
		if !ok {
			root = *event.Corrects
		}
		roots[event.ID] = root
		corrections[root] = version{id: event.ID, digest: event.OutcomeDigest()}
	}
}

// readTimeout bounds the wait for an event that the stream said it has. One that
// was purged or aged out since never comes: then the relay looks again how far
// the lane's events reach. The number of pending messages, which would tell at
// once, is not to be trusted: it has been seen to be 0 too early.
const readTimeout = 5 * time.Second

// These bound the events that a lane has on their way: after a restore all lanes of
// a worker read at once, and it has 150 MB in all. nats.go makes room for as many
// messages as are named, for a million where only bytes are: 8 MB a lane.
const (
	replayMessages = 200
	replayBytes    = 256 << 10
)

// eventReader reads a lane's events in order, from after one stream sequence
// to another. Any doubt about completeness is an error: the reader is then
// thrown away.
type eventReader struct {
	js       jetstream.JetStream
	lane     messages.Lane
	position uint64 // last stream sequence read
	end      uint64
	consumer string
	iterator jetstream.MessagesContext
	expected uint64 // consumer sequence of the next message
}

func newEventReader(js jetstream.JetStream, lane messages.Lane, after, end uint64) *eventReader {
	return &eventReader{js: js, lane: lane, position: after, end: end}
}

// close ends the consumer, here and on the server.
func (e *eventReader) close() {
	if e.consumer == "" {
		return
	}
	if e.iterator != nil {
		e.iterator.Stop()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	// best effort: the server drops it by itself after a while
	_ = e.js.DeleteConsumer(ctx, messages.EventsStream, e.consumer)
	e.consumer = ""
}

// next returns the next event, or more = false at the end.
func (e *eventReader) next(ctx context.Context) (event messages.Event, more bool, err error) {
	if e.position >= e.end {
		e.close()
		return messages.Event{}, false, nil
	}
	if e.iterator == nil {
		if err := e.open(ctx); err != nil {
			return messages.Event{}, false, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	message, err := e.iterator.Next(jetstream.NextContext(ctx))
	if err != nil {
		e.close()
		return messages.Event{}, false, fmt.Errorf("read the lane's events: %w", err)
	}
	metadata, err := message.Metadata()
	if err != nil {
		return messages.Event{}, false, err
	}
	if metadata.Sequence.Consumer != e.expected {
		e.close()
		return messages.Event{}, false, fmt.Errorf("read the lane's events: message %d is missing", e.expected)
	}
	e.expected++
	e.position = metadata.Sequence.Stream
	if e.position >= e.end {
		e.close()
	}
	event, err = messages.DecodeEvent(message.Data())
	if err != nil {
		return messages.Event{}, false, fmt.Errorf("event %d of %s: %w", metadata.Sequence.Stream, messages.EventsStream, err)
	}
	return event, true, nil
}

func (e *eventReader) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	consumer, err := e.js.CreateConsumer(ctx, messages.EventsStream, jetstream.ConsumerConfig{
		Description:       "replay of lane " + e.lane.String(),
		FilterSubject:     e.lane.EventFilter(),
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       e.position + 1,
		AckPolicy:         jetstream.AckNonePolicy,
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: 30 * time.Second,
	})
	if err != nil {
		return fmt.Errorf("read the lane's events: %w", err)
	}
	e.consumer, e.expected = consumer.CachedInfo().Name, 1
	e.iterator, err = consumer.Messages(jetstream.PullMaxMessagesWithBytesLimit(replayMessages, replayBytes), jetstream.PullExpiry(10*time.Second), jetstream.PullHeartbeat(2*time.Second))
	return err
}
