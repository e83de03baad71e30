package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"connect-provider/messages"
)

// durableSource reads through a consumer whose place the server keeps under a
// name. Each event is acknowledged when it was dealt with, so that another
// reader under the name goes on behind it; one that was cut off in between is
// delivered again.
type durableSource struct {
	name   string
	filter string

	acknowledges bool
	// told are the latest events that were passed on, and order is theirs. The
	// server may deliver them again: an acknowledgement may get lost, and a
	// server that is killed may forget one.
	told  map[uint64]time.Time
	order []uint64
}

// mostTold is how many events are remembered. What is lost with a server is much
// less.
const mostTold = 10_000

// atOnce is one, so that no event waits here, unacknowledged, behind another.
func (d *durableSource) atOnce() jetstream.PullMessagesOpt { return jetstream.PullMaxMessages(1) }

func (d *durableSource) open(ctx context.Context, r *eventReader) (jetstream.Consumer, error) {
	consumer, err := r.js.Consumer(ctx, messages.EventsStream, d.name)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		if consumer, err = d.create(ctx, r); err != nil {
			return nil, err
		}
	case errors.Is(err, jetstream.ErrNotPullConsumer):
		return nil, fmt.Errorf("consumer %s is a push consumer: give the name of a pull consumer, or one that does not exist yet", d.name)
	case err != nil:
		return nil, err
	case !r.begun && r.from.policy != jetstream.DeliverNewPolicy:
		return nil, fmt.Errorf("consumer %s exists and goes on where it stands: leave out --since, or delete the consumer", d.name)
	}
	info := consumer.CachedInfo()
	if !delivers(info.Config, d.filter) {
		return nil, fmt.Errorf("consumer %s does not deliver %s: name the organization that it is for (--org), or another consumer", d.name, d.filter)
	}
	if !r.begun {
		r.last = bookmark{sequence: info.AckFloor.Stream, at: serverTime(info)}
	}
	d.acknowledges = info.Config.AckPolicy != jetstream.AckNonePolicy
	return consumer, nil
}

// create makes the consumer. One event on its way at a time keeps their order
// where one has to be delivered again.
func (d *durableSource) create(ctx context.Context, r *eventReader) (jetstream.Consumer, error) {
	config := r.beginning()
	config.Durable, config.FilterSubject, config.Description = d.name, d.filter, "connectctl watch --consumer "+d.name
	config.AckPolicy, config.AckWait, config.MaxAckPending = jetstream.AckExplicitPolicy, 10*time.Second, 1
	consumer, err := r.js.CreateConsumer(ctx, messages.EventsStream, config)
	if err == nil && r.begun {
		r.logger.Warn("the consumer was gone, perhaps with its stream, and was made anew", zap.String("consumer", d.name))
	}
	return consumer, err
}

// isNew goes by the events themselves: where one was lost on its way, newer ones
// come before it is delivered again.
func (d *durableSource) isNew(event *jetstream.MsgMetadata, r *eventReader) (bool, error) {
	sequence := event.Sequence.Stream
	if at, told := d.told[sequence]; told && at.Equal(event.Timestamp) {
		return false, nil
	}
	longAgo := len(d.order) == 0 || sequence < d.order[0]
	if longAgo && event.NumDelivered == 1 && r.last.covers(event) {
		return false, nil
	}
	d.remember(event)
	return true, nil
}

// done acknowledges, and waits for the server to say that it knows.
func (d *durableSource) done(ctx context.Context, message jetstream.Msg, event *jetstream.MsgMetadata) error {
	if !d.acknowledges {
		return nil
	}
	// the event was dealt with, also where ctx has ended meanwhile
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readHeartbeat)
	defer cancel()
	if err := message.DoubleAck(ctx); err != nil {
		return fmt.Errorf("acknowledge event %d to consumer %s: %w", event.Sequence.Stream, d.name, err)
	}
	return nil
}

func (d *durableSource) remember(event *jetstream.MsgMetadata) {
	sequence := event.Sequence.Stream
	if d.told == nil {
		d.told = map[uint64]time.Time{}
	}
	d.told[sequence] = event.Timestamp
	d.order = append(d.order, sequence)
	if len(d.order) > mostTold {
		delete(d.told, d.order[0])
		d.order = d.order[1:]
	}
}

// delivers reports whether one of the consumer's filters, if it has any, takes
// all that another one takes.
func delivers(config jetstream.ConsumerConfig, filter string) bool {
	filters := config.FilterSubjects
	if len(filters) == 0 {
		filters = []string{config.FilterSubject}
	}
	return slices.ContainsFunc(filters, func(wider string) bool { return wider == "" || covers(wider, filter) })
}

// covers reports whether the one filter takes all that the other takes.
func covers(wider, narrower string) bool {
	wide, narrow := strings.Split(wider, "."), strings.Split(narrower, ".")
	for i, token := range wide {
		switch {
		case token == ">":
			return i < len(narrow)
		case i == len(narrow) || narrow[i] == ">" || token != "*" && token != narrow[i]:
			return false
		}
	}
	return len(wide) == len(narrow)
}
