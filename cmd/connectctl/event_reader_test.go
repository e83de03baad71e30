package main

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/messages"
)

// deafIterator asks for nothing the first time, as nats.go's may.
type deafIterator struct {
	jetstream.MessagesContext
	calls int
}

func (d *deafIterator) Next(opts ...jetstream.NextOpt) (jetstream.Msg, error) {
	if d.calls++; d.calls > 1 {
		return storedMessage{}, nil
	}
	return d.MessagesContext.Next(opts...)
}

type storedMessage struct{ jetstream.Msg }

// TestWhatWasNotAskedForIsAskedForAgain: the first call waits in vain, only another
// one brings the message. Where reading is to end, there is no other one.
func TestWhatWasNotAskedForIsAskedForAgain(t *testing.T) {
	t.Parallel()
	b := newWatchBed(t)
	stream, err := b.js.Stream(t.Context(), messages.EventsStream)
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := stream.OrderedConsumer(t.Context(), jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	silent, err := consumer.Messages()
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Stop()
	deaf := &deafIterator{MessagesContext: silent}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if message, err := next(ctx, deaf); err != nil || message != (storedMessage{}) {
		t.Errorf("got %v, %v", message, err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	deaf.calls = 0
	if _, err := next(ended, deaf); err == nil || deaf.calls != 1 {
		t.Errorf("after the end: %v in %d calls", err, deaf.calls)
	}
}
