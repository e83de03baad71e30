package design

import (
	"time"

	"github.com/ThreeDotsLabs/watermill"
	wmnats "github.com/ThreeDotsLabs/watermill-nats/v2/pkg/nats"
	wmsql "github.com/ThreeDotsLabs/watermill-sql/v4/pkg/sql"
	"github.com/ThreeDotsLabs/watermill/components/forwarder"
	"github.com/nats-io/nats.go"
)

// newForwarder brings events from an outbox's table to NATS, each after the
// acknowledgement of the one before.
func (w *watermillWork) newForwarder(nc *nats.Conn, n int) (*forwarder.Forwarder, error) {
	publisher, err := wmnats.NewPublisherWithNatsConn(nc, wmnats.PublisherPublishConfig{
		Marshaler: &wmnats.NATSMarshaler{}, SubjectCalculator: wmnats.DefaultSubjectCalculator,
	}, watermill.NopLogger{})
	if err != nil {
		return nil, err
	}
	subscriber, err := wmsql.NewSubscriber(wmsql.BeginnerFromPgx(w.pool), wmsql.SubscriberConfig{
		SchemaAdapter: watermillSchema, OffsetsAdapter: watermillOffsets, PollInterval: pollEvery, ResendInterval: time.Millisecond,
	}, watermill.NopLogger{})
	if err != nil {
		return nil, err
	}
	return forwarder.NewForwarder(subscriber, publisher, watermill.NopLogger{}, forwarder.Config{ForwarderTopic: watermillOutbox(n)})
}
