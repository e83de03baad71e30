package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"connect-provider/cmd/internal/onboard"
	"connect-provider/messages"
)

// natsPlatform is the system as a file's rows meet it.
type natsPlatform struct {
	js     jetstream.JetStream
	logger *zap.Logger

	accepted atomic.Bool  // something was
	forlorn  atomic.Int64 // since when nobody takes anything, in Unix nanoseconds
}

func newPlatform(js jetstream.JetStream, logger *zap.Logger) *natsPlatform {
	return &natsPlatform{js: js, logger: logger}
}

// noStreamAfter is how long nobody may take commands until it seems that there is
// no stream. A server that starts takes a moment.
const noStreamAfter = 20 * time.Second

// The server's codes for streams that will never take a batch.
const (
	atomicPublishDisabled = 10174
	streamStoreFailed     = 10077
)

// Publish implements onboard.Platform.
func (p *natsPlatform) Publish(ctx context.Context, batch []onboard.Message) (uint64, error) {
	out := make([]*nats.Msg, len(batch))
	for i, message := range batch {
		out[i] = &nats.Msg{Subject: message.Subject, Data: message.Body}
	}
	stream := messages.Bulk.Stream()
	last, err := messages.PublishBatch(ctx, p.js.Conn(), stream, out)
	var refused *messages.BatchRefused
	switch {
	case err == nil:
		p.accepted.Store(true)
		return last, nil
	case errors.Is(err, nats.ErrNoResponders):
		return 0, p.nobody(batch[0].Subject)
	case errors.Is(err, nats.ErrConnectionClosed) && p.js.Conn().IsClosed():
		return 0, &onboard.Hopeless{Err: err}
	case errors.As(err, &refused) && refused.Code == atomicPublishDisabled:
		return 0, &onboard.Hopeless{Err: fmt.Errorf("%w; `connect-provider streams --mend` puts that right", err)}
	case errors.As(err, &refused) && refused.Code == streamStoreFailed:
		return 0, fmt.Errorf("%s takes nothing more, perhaps it is full until workers have decided what is in it: %w", stream, err)
	case !p.js.Conn().IsConnected():
		return 0, errors.New("NATS is away")
	}
	return 0, err
}

// nobody tells a stream that does not exist from one that is not there at the
// moment.
func (p *natsPlatform) nobody(subject string) error {
	now := time.Now().UnixNano()
	if p.accepted.Load() || p.forlorn.CompareAndSwap(0, now) || time.Duration(now-p.forlorn.Load()) < noStreamAfter {
		return fmt.Errorf("no stream takes %s at the moment", subject)
	}
	return &onboard.Hopeless{Err: fmt.Errorf("no stream takes %s: create the streams with `connect-provider streams`, and check that this is the right server and that this user may publish there", subject)}
}

// Ask implements onboard.Platform.
func (p *natsPlatform) Ask(ctx context.Context, o messages.Organization, ids []string) (messages.OutcomesAnswer, error) {
	answer, err := messages.AskOutcomes(ctx, p.js.Conn(), o, ids)
	return answer, p.unanswered(err, messages.OutcomesSubject(o))
}

// Preview implements onboard.Platform.
func (p *natsPlatform) Preview(ctx context.Context, o messages.Organization, q messages.PreviewRequest) (messages.PreviewAnswer, error) {
	answer, err := messages.AskPreviews(ctx, p.js.Conn(), o, q)
	return answer, p.unanswered(err, messages.PreviewsSubject(o))
}

func (p *natsPlatform) unanswered(err error, subject string) error {
	var refused *messages.OutcomesRefused
	switch {
	case err == nil, errors.As(err, &refused):
		return err
	case p.js.Conn().IsClosed():
		return &onboard.Hopeless{Err: err}
	case !p.js.Conn().IsConnected():
		return errors.New("NATS is away")
	case errors.Is(err, nats.ErrNoResponders):
		return fmt.Errorf("no worker answers on %s (none runs, or this user may not ask there)", subject)
	}
	return err
}

// Events implements onboard.Platform.
func (p *natsPlatform) Events(ctx context.Context, of []messages.Organization, ready func(), take func(*messages.Event)) error {
	last, err := lastEvent(ctx, p.js)
	// with the domain nobody answers there, without it the account's own JetStream
	if errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount) {
		return onboard.ErrUnread
	}
	if err != nil {
		return err
	}
	ready()
	var filters []string
	for _, organization := range of {
		filters = append(filters, eventsOf(organization))
	}
	slices.Sort(filters)
	reader := eventReader{
		js: p.js, logger: zap.NewNop(), far: onwards, source: &orderedSource{filters: filters},
		from: start{policy: jetstream.DeliverByStartSequencePolicy, sequence: last + 1},
	}
	return reader.read(ctx, func(message jetstream.Msg, _ *jetstream.MsgMetadata) (bool, error) {
		// what is not understood here, the workers tell
		if event, err := decodeEvent(message); err == nil {
			take(&event)
		}
		return true, nil
	})
}
