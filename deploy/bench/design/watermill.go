package design

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	wmjetstream "github.com/ThreeDotsLabs/watermill-nats/v2/pkg/jetstream"
	wmsql "github.com/ThreeDotsLabs/watermill-sql/v4/pkg/sql"
	"github.com/ThreeDotsLabs/watermill/components/forwarder"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"connect-provider/messages"
)

// watermillRouter decides a message in each of many subscribers' handlers. Events go
// into a table of watermill-sql, in the transaction of the decision, and a forwarder
// brings them from there to NATS.
var watermillRouter = Design{
	Name: "watermill", Title: "Watermill, with its forwarder as the outbox",
	Prepare: func(ctx context.Context, t Task) (func(context.Context) error, error) {
		pool, err := openPool(ctx, t.Bed.DatabaseURL, watermillConnections)
		if err != nil {
			return nil, err
		}
		w := &watermillWork{pool: pool, url: t.Bed.NATSURL, failed: make(chan error, 1)}
		if err := w.createOutboxes(ctx); err != nil {
			return nil, err
		}
		if w.commands, err = openCommands(ctx, t.Bed.JS); err != nil {
			return nil, err
		}
		return func(ctx context.Context) error {
			defer pool.Close()
			return w.run(ctx)
		}, nil
	},
}

// The fastest of what was tried, commands a second: one outbox 870, two 1,002, four
// 1,201, eight 1,291; with four, 16 subscribers 1,424, 32 1,264, 64 1,201, 128 1,388;
// 64 on 24 connections 1,388; reading 100 events at once in place of 1,000, or 64
// messages ahead in place of 16, the same within the scatter.
const (
	watermillSubscribers = 64
	watermillConnections = 32
	watermillPrefetch    = 32   // messages that wait in each subscriber
	watermillOutboxes    = 8    // tables, each with a forwarder
	watermillForwarded   = 1000 // events that a forwarder reads at once
)

// watermillOutbox names one of the outboxes: an organization's events all go
// through the same.
func watermillOutbox(n int) string { return fmt.Sprintf("outbox_%d", n) }

// An outbox is a queue whose messages are deleted when they are forwarded.
var (
	watermillSchema  = wmsql.PostgreSQLQueueSchema{SubscribeBatchSize: watermillForwarded}
	watermillOffsets = wmsql.PostgreSQLQueueOffsetsAdapter{DeleteOnAck: true}
)

type watermillWork struct {
	pool     *pgxpool.Pool
	url      string
	commands *commands
	failed   chan error // the first handler's error
}

func (w *watermillWork) createOutboxes(ctx context.Context) error {
	for n := range watermillOutboxes {
		queries, err := watermillSchema.SchemaInitializingQueries(wmsql.SchemaInitializingQueriesParams{Topic: watermillOutbox(n)})
		for _, query := range queries {
			if err == nil {
				_, err = w.pool.Exec(ctx, query.Query, query.Args...)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *watermillWork) run(ctx context.Context) error {
	router, err := message.NewRouter(message.RouterConfig{}, watermill.NopLogger{})
	if err != nil {
		return err
	}
	handling, err := nats.Connect(w.url)
	if err != nil {
		return err
	}
	defer handling.Close()
	forwarding, err := nats.Connect(w.url)
	if err != nil {
		return err
	}
	defer forwarding.Close()
	if err := w.addHandlers(router, handling); err != nil {
		return err
	}
	work, ctx := errgroup.WithContext(ctx)
	for n := range watermillOutboxes {
		f, err := w.newForwarder(forwarding, n)
		if err != nil {
			return err
		}
		work.Go(func() error { return f.Run(ctx) })
	}
	work.Go(func() error { return router.Run(ctx) })
	work.Go(func() error {
		select {
		case err := <-w.failed:
			return err
		case <-ctx.Done():
			return nil
		}
	})
	return work.Wait()
}

// addHandlers subscribes many times to one consumer: a subscription handles one
// message at a time.
func (w *watermillWork) addHandlers(router *message.Router, nc *nats.Conn) error {
	subscriber, err := wmjetstream.NewSubscriber(wmjetstream.SubscriberConfig{
		Conn: nc, Logger: watermill.NopLogger{}, AckAsync: true, Unmarshaler: w.commands,
		ConsumeOptions: []jetstream.PullConsumeOpt{jetstream.PullMaxMessages(watermillPrefetch)},
		ResourceInitializer: func(ctx context.Context, js jetstream.JetStream, _ string) (jetstream.Consumer, func(context.Context, watermill.LoggerAdapter), error) {
			info := w.commands.consumer.CachedInfo()
			consumer, err := js.Consumer(ctx, info.Stream, info.Name)
			return consumer, nil, err
		},
	})
	if err != nil {
		return err
	}
	for i := range watermillSubscribers {
		router.AddConsumerHandler(fmt.Sprintf("connect-%d", i), "commands", subscriber, w.handle)
	}
	return nil
}

// Unmarshal gives handlers the message with its place in the stream, which the
// library's own does not carry along.
func (c *commands) Unmarshal(received jetstream.Msg) (*message.Message, error) {
	stored, err := c.stored(received)
	made := message.NewMessage(watermill.NewUUID(), stored.Body)
	made.SetContext(context.Background())
	made.Metadata.Set(metadataSubject, stored.Subject)
	made.Metadata.Set(metadataTime, stored.Time.Format(time.RFC3339Nano))
	made.Metadata.Set(metadataSequence, fmt.Sprint(stored.Sequence))
	return made, err
}

const (
	metadataSubject  = "subject"
	metadataTime     = "time"
	metadataSequence = "sequence"
)

func (w *watermillWork) read(received *message.Message) (stored messages.Message, err error) {
	stored = messages.Message{StreamCreated: w.commands.created, Subject: received.Metadata.Get(metadataSubject), Body: received.Payload}
	if stored.Time, err = time.Parse(time.RFC3339Nano, received.Metadata.Get(metadataTime)); err != nil {
		return stored, err
	}
	_, err = fmt.Sscan(received.Metadata.Get(metadataSequence), &stored.Sequence)
	return stored, err
}

// handle decides one message; it is acknowledged when nil is returned.
func (w *watermillWork) handle(received *message.Message) error {
	ctx := context.WithoutCancel(received.Context())
	stored, err := w.read(received)
	if err == nil {
		err = pgx.BeginFunc(ctx, w.pool, func(tx pgx.Tx) error { return decideWatermill(ctx, tx, stored) })
	}
	if err != nil {
		select {
		case w.failed <- err:
		default:
		}
	}
	return err
}

func decideWatermill(ctx context.Context, tx pgx.Tx, stored messages.Message) error {
	s := newSingle(stored)
	var q pgx.Batch
	s.queueLoad(&q)
	if err := tx.SendBatch(ctx, &q).Close(); err != nil {
		return err
	}
	if !s.decide() {
		return nil
	}
	q = pgx.Batch{}
	if err := errors.Join(s.queueWrite(&q), tx.SendBatch(ctx, &q).Close()); err != nil {
		return err
	}
	publisher, err := wmsql.NewPublisher(wmsql.TxFromPgx(tx), wmsql.PublisherConfig{SchemaAdapter: watermillSchema}, watermill.NopLogger{})
	if err != nil {
		return err
	}
	row, err := s.event()
	if err != nil {
		return err
	}
	event := message.NewMessage(watermill.NewUUID(), row.Payload)
	event.SetContext(ctx)
	for name, values := range eventMessage(row).Header {
		event.Metadata.Set(name, values[0])
	}
	return forwarder.NewPublisher(publisher, forwarder.PublisherConfig{ForwarderTopic: watermillOutbox(s.received.Lane.Number % watermillOutboxes)}).Publish(row.Subject, event)
}
