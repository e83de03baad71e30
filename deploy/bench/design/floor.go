package design

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"

	"connect-provider/messages"
	"connect-provider/outbox"
	"connect-provider/worker"
)

// The floors are what two synced servers take at least: the rows that the worker
// writes, by one connection in batches of 1,000, and its events in atomic batches
// while the next rows are written. They read nothing and decide nothing.
var (
	// floor writes by statements that take a batch's columns as arrays.
	floor = floorBy("floor", "the floor: the same rows and events, nothing read or decided", insertBatch)
	// floorCopy is as fast as Postgres takes rows at all: COPY, of bytes that were
	// made before the clock started.
	floorCopy = floorBy("floor-copy", "the same by COPY, encoded beforehand", copyBatch)
)

// batchWriter makes of a batch what writes it in a transaction, of which then is
// the end.
type batchWriter func(b *floorBatch) (write func(ctx context.Context, conn *pgx.Conn, then *pgx.Batch) error, err error)

func floorBy(name, title string, writer batchWriter) Design {
	return Design{Name: name, Title: title, Unread: true, Prepare: func(ctx context.Context, t Task) (func(context.Context) error, error) {
		batches, err := floorBatches(t, messages.MaxBatch, 0)
		if err != nil {
			return nil, err
		}
		for i := range batches {
			if batches[i].write, err = writer(&batches[i]); err != nil {
				return nil, err
			}
		}
		// the worker's own, whose connections encode arrays fastest
		pool, err := worker.NewPool(context.WithoutCancel(ctx), t.Bed.DatabaseURL, 1)
		if err != nil {
			return nil, err
		}
		nc, err := nats.Connect(t.Bed.NATSURL)
		if err != nil {
			pool.Close()
			return nil, err
		}
		return func(ctx context.Context) error {
			defer pool.Close()
			defer nc.Close()
			ctx = context.WithoutCancel(ctx) // it is over in seconds by itself
			return pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
				return writeFloor(ctx, conn.Conn(), nc, batches)
			})
		}, nil
	}}
}

// writeFloor writes the batches, publishes each once it is committed, and removes
// its outbox rows in a later batch's transaction.
func writeFloor(ctx context.Context, conn *pgx.Conn, nc *nats.Conn, batches []floorBatch) error {
	committed, published := make(chan *floorBatch, 4), make(chan *floorBatch, len(batches))
	ended := make(chan error, 1)
	go func() { ended <- publishFloor(ctx, nc, committed, published) }()
	for i := range batches {
		var then pgx.Batch
		removePublished(&then, published)
		then.Queue("commit")
		if err := batches[i].write(ctx, conn, &then); err != nil {
			close(committed)
			return errors.Join(fmt.Errorf("write: %w", err), <-ended)
		}
		committed <- &batches[i]
	}
	close(committed)
	if err := <-ended; err != nil {
		return err
	}
	var q pgx.Batch
	removePublished(&q, published)
	return conn.SendBatch(ctx, &q).Close()
}

// publishFloor publishes batch after batch. After an error it goes on taking what
// is committed, so that nobody waits for it.
func publishFloor(ctx context.Context, nc *nats.Conn, committed <-chan *floorBatch, published chan<- *floorBatch) (err error) {
	for batch := range committed {
		if err != nil {
			continue
		}
		if _, err = messages.PublishBatch(ctx, nc, messages.EventsStream, batch.events); err == nil {
			published <- batch
		}
	}
	return err
}

func removePublished(q *pgx.Batch, published <-chan *floorBatch) {
	for {
		select {
		case batch := <-published:
			// a batch is one lane's, so there are no others between
			outbox.Remove(q, batch.lane, before(batch.rows[0].Position), batch.rows[len(batch.rows)-1].Position)
		default:
			return
		}
	}
}

// before is the position that comes just before another.
func before(p messages.Position) messages.Position {
	p.Sequence--
	return p
}
