package main

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/messages"
)

const (
	// The workers are asked at once, then after ever longer pauses: an equal
	// command may have been published at the same time as this one.
	firstPause, longestPause = 50 * time.Millisecond, time.Second
)

// errNotAsked stands where none has answered in time.
var errNotAsked = errors.New("none has answered in time")

// inquiry is what the workers told of a command when they were asked.
type inquiry struct {
	// decided is the outcome under the command's id, nil if there is none.
	decided *messages.Decided
	// lane is where the command's lane stands, nil if that is not known.
	lane *messages.LaneCursor
	// passed says that the lane has come to the command, in the same stream.
	passed bool
	// unasked is why none could be asked, nil if one has answered.
	unasked error
}

// inquire asks again and again, and passes on what it is told, until ctx ends.
func (q question) inquire(ctx context.Context, js jetstream.JetStream, tell chan<- inquiry) {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		told := q.ask(ctx, js)
		select {
		case tell <- told:
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// ask asks once.
func (q question) ask(ctx context.Context, js jetstream.JetStream) inquiry {
	told, err := messages.AskOutcomes(ctx, js.Conn(), q.organization, []string{q.command.ID})
	if err != nil {
		return inquiry{unasked: err}
	}
	lane, ok := told.Lane(q.class)
	if !ok {
		return inquiry{unasked: errors.New("the workers do not tell of the lane")}
	}
	known := inquiry{lane: &lane}
	if len(told.Outcomes) > 0 {
		known.decided = &told.Outcomes[0]
	}
	if lane.Cursor >= q.sequence && !q.own(known) {
		// the cursor may be of a stream that was replaced since
		stream, err := js.Stream(ctx, q.class.Stream())
		known.passed = err == nil && stream.CachedInfo().Created.Equal(lane.StreamCreated)
	}
	return known
}

// own reports whether the outcome is that of the very message that was published,
// and not of one that had its sequence before the stream was replaced.
func (q question) own(known inquiry) bool {
	d := known.decided
	return d != nil && d.Lane.Class == q.class && d.Sequence == q.sequence && d.Generation == known.lane.Generation
}

// repeats reports whether the outcome is that of an earlier command with the
// same id and content: then there will be no event. With other content the
// command fails with an event of its own.
func (q question) repeats(known inquiry) bool {
	d := known.decided
	return d != nil && !q.own(known) && d.Data.BridgeSlug == q.command.BridgeSlug && d.Data.PhoneNumber == q.command.PhoneNumber &&
		d.Data.ProviderConfigID != nil && *d.Data.ProviderConfigID == q.command.ProviderConfigID
}
