package main

import (
	"context"

	"github.com/nats-io/nats.go/jetstream"
)

// eventSource is how events are taken from the stream.
type eventSource interface {
	// open finds or makes the consumer that goes on behind r.last, or begins at
	// r.from if that is the first time.
	open(ctx context.Context, r *eventReader) (jetstream.Consumer, error)
	// atOnce is how many events are asked for at a time.
	atOnce() jetstream.PullMessagesOpt
	// isNew reports whether an event that was delivered is to be passed on. An
	// error ends the spell.
	isNew(event *jetstream.MsgMetadata, r *eventReader) (bool, error)
	// done says that an event was dealt with. An error ends the spell.
	done(ctx context.Context, message jetstream.Msg, event *jetstream.MsgMetadata) error
}
