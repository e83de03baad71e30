package design

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/outbox"
)

//go:embed sql/waiting_events.sql
var waitingEventsSQL string

//go:embed sql/remove_events.sql
var removeEventsSQL string

const (
	pollEvery = 5 * time.Millisecond
	pollBatch = 500
)

// pollOutbox publishes what the outbox has until its context ends, looking every
// few milliseconds: up to 500 events at a time, all in flight at once, removed
// when all are acknowledged.
func pollOutbox(ctx context.Context, pool *pgxpool.Pool, js jetstream.JetStream) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		more, err := emptyOutbox(ctx, pool, js)
		if err != nil {
			return fmt.Errorf("outbox: %w", err)
		}
		if more {
			continue
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	return nil
}

// emptyOutbox publishes once, and tells whether more may be waiting. What it has
// read it finishes, even if the context ends.
func emptyOutbox(ctx context.Context, pool *pgxpool.Pool, js jetstream.JetStream) (more bool, err error) {
	ctx = context.WithoutCancel(ctx)
	rows, err := pool.Query(ctx, waitingEventsSQL, pollBatch)
	if err != nil {
		return false, err
	}
	var row outbox.Row
	var lane string
	var sequence int64
	var lanes []string
	var generations, sequences []int64
	var sent []jetstream.PubAckFuture
	_, err = pgx.ForEachRow(rows, []any{&lane, &row.Position.Generation, &sequence, &row.Subject, &row.Payload}, func() error {
		row.Position.Sequence = uint64(sequence)
		future, err := js.PublishMsgAsync(eventMessage(row))
		lanes, generations, sequences = append(lanes, lane), append(generations, row.Position.Generation), append(sequences, sequence)
		sent = append(sent, future)
		return err
	})
	if err != nil {
		return false, err
	}
	for _, future := range sent {
		select {
		case <-future.Ok():
		case err := <-future.Err():
			return false, err
		}
	}
	if len(sent) == 0 {
		return false, nil
	}
	_, err = pool.Exec(ctx, removeEventsSQL, lanes, generations, sequences)
	return len(sent) == pollBatch, err
}
