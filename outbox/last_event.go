package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/messages"
)

// LastEvent is what the events stream says of a lane.
type LastEvent struct {
	// StreamCreated is the events stream's creation time in unix nanoseconds.
	// Sequences of another stream mean nothing in this one.
	StreamCreated int64
	// Sequence is the last event's, or 0 where the lane has none (any more).
	Sequence uint64
	// Position is the lane's, as that event carries it; zero without one.
	Position messages.Position
	// Time is when the events stream stored that event.
	Time time.Time
}

// readLastEvent asks the stream's leader: followers and mirrors have been seen
// to return less than what was acknowledged, so the stream has direct reads
// off.
func readLastEvent(ctx context.Context, js jetstream.JetStream, lane messages.Lane) (LastEvent, error) {
	stream, err := js.Stream(ctx, messages.EventsStream)
	if err != nil {
		return LastEvent{}, fmt.Errorf("events stream %s: %w", messages.EventsStream, err)
	}
	info := stream.CachedInfo()
	if info.Config.AllowDirect {
		return LastEvent{}, fmt.Errorf("events stream %s has allow_direct on, so its last event can't be trusted; run: connect-provider streams --mend", messages.EventsStream)
	}
	last := LastEvent{StreamCreated: info.Created.UnixNano()}
	message, err := stream.GetLastMsgForSubject(ctx, lane.EventFilter())
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return last, nil
	}
	if err != nil {
		return LastEvent{}, fmt.Errorf("last event of lane %s in %s: %w", lane, messages.EventsStream, err)
	}
	last.Sequence, last.Time = message.Sequence, message.Time
	last.Position, err = messages.ParsePosition(message.Header.Get(messages.HeaderLanePosition))
	if err != nil {
		return LastEvent{}, fmt.Errorf("event %d of %s was not published by a worker, and nobody else may publish there: see who has the right to: %w", message.Sequence, messages.EventsStream, err)
	}
	return last, nil
}
