package bench

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// mostPending is how many publishes may wait for their acknowledgement: more than
// a system owes that keeps up at all, and a sender that has to wait is charged to
// the system (pace.go).
const mostPending = 10_000

// publisher publishes commands without waiting for each to be accepted.
type publisher struct {
	js     jetstream.JetStream
	failed atomic.Pointer[error]
}

func newPublisher(s *System) (*publisher, error) {
	p := &publisher{}
	var err error
	// subjects are published to as they are, whatever the domain
	p.js, err = jetstream.New(s.NATS, jetstream.WithPublishAsyncMaxPending(mostPending),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, message *nats.Msg, err error) {
			err = fmt.Errorf("publish to %s: %w", message.Subject, err)
			p.failed.CompareAndSwap(nil, &err)
		}))
	return p, err
}

// send publishes a command. An error may be that of an earlier one.
func (p *publisher) send(message *nats.Msg) error {
	if err := p.failed.Load(); err != nil {
		return *err
	}
	_, err := p.js.PublishMsgAsync(message, jetstream.WithStallWait(patience))
	return err
}

// settle waits until all that was sent is accepted.
func (p *publisher) settle(ctx context.Context) error {
	select {
	case <-p.js.PublishAsyncComplete():
	case <-time.After(patience):
		return errors.New("the command stream has not acknowledged what was published")
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := p.failed.Load(); err != nil {
		return *err
	}
	return nil
}
