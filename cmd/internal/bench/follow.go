package bench

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/messages"
)

// arrival is when a consumer had the outcome of a command of the workload.
type arrival struct {
	n  int
	at time.Time
}

// follower reads outcome events as a consumer does, and says when each came.
type follower struct {
	arrivals  chan arrival
	consuming jetstream.ConsumeContext
	stop      context.CancelFunc
}

// follow reads the events that come from now on of the commands whose ids begin
// with a prefix and a colon, as those of a workload.
func follow(ctx context.Context, js jetstream.JetStream, prefix string) (*follower, error) {
	consumer, err := js.OrderedConsumer(ctx, messages.EventsStream, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverNewPolicy})
	if err != nil {
		return nil, fmt.Errorf("follow %s: %w", messages.EventsStream, err)
	}
	f := &follower{arrivals: make(chan arrival, mostPending)}
	ctx, f.stop = context.WithCancel(ctx)
	f.consuming, err = consumer.Consume(func(message jetstream.Msg) {
		at := time.Now()
		event, err := messages.DecodeEvent(message.Data())
		if err != nil {
			return // of a type that this version does not know
		}
		number, ok := strings.CutPrefix(event.CommandID, prefix+":")
		if !ok {
			return // somebody else's
		}
		n, err := strconv.Atoi(number)
		if err != nil {
			return
		}
		select {
		case f.arrivals <- arrival{n, at}:
		case <-ctx.Done():
		}
	})
	if err != nil {
		f.stop()
		return nil, fmt.Errorf("follow %s: %w", messages.EventsStream, err)
	}
	return f, nil
}

// next waits for the next outcome.
func (f *follower) next(ctx context.Context) (arrival, error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case a := <-f.arrivals:
		return a, nil
	case <-timer.C:
		return arrival{}, fmt.Errorf("no outcome has come for %s (connectctl status says what is wrong)", patience)
	case <-ctx.Done():
		return arrival{}, ctx.Err()
	}
}

func (f *follower) close() {
	f.stop()
	f.consuming.Stop()
}
