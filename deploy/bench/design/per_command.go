package design

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

// perCommand is what most would write first: a transaction for each command, in
// two round trips, 64 at a time, each message acknowledged after its commit, and an
// outbox that is polled.
var perCommand = Design{
	Name: "per-command", Title: "one transaction per command, 64 at a time, polling outbox",
	Prepare: func(ctx context.Context, t Task) (func(context.Context) error, error) {
		pool, err := openPool(ctx, t.Bed.DatabaseURL, perCommandAtOnce+2)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context) error {
			defer pool.Close()
			return workPerCommand(ctx, pool, t.Bed.JS)
		}, nil
	},
}

const perCommandAtOnce = 64

func openPool(ctx context.Context, url string, connections int32) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.MaxConns = connections
	return pgxpool.NewWithConfig(context.WithoutCancel(ctx), config)
}

func workPerCommand(ctx context.Context, pool *pgxpool.Pool, js jetstream.JetStream) error {
	commands, err := openCommands(ctx, js)
	if err != nil {
		return err
	}
	iterator, err := commands.consumer.Messages(jetstream.PullMaxMessages(2000))
	if err != nil {
		return err
	}
	work, ctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(ctx, iterator.Stop)
	defer stop()
	for range perCommandAtOnce {
		work.Go(func() error {
			for {
				message, err := iterator.Next()
				if errors.Is(err, jetstream.ErrMsgIteratorClosed) {
					return nil
				}
				if err == nil {
					err = commands.handle(context.WithoutCancel(ctx), pool, message)
				}
				if err != nil {
					return err
				}
			}
		})
	}
	work.Go(func() error { return pollOutbox(ctx, pool, js) })
	return work.Wait()
}

// handle decides one command and acknowledges it.
func (c *commands) handle(ctx context.Context, pool *pgxpool.Pool, message jetstream.Msg) error {
	stored, err := c.stored(message)
	if err != nil {
		return err
	}
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release() // closes one that is still in a transaction
	s := newSingle(stored)
	var q pgx.Batch
	q.Queue("begin")
	s.queueLoad(&q)
	if err := conn.SendBatch(ctx, &q).Close(); err != nil {
		return err
	}
	q = pgx.Batch{}
	if s.decide() {
		if err := errors.Join(s.queueWrite(&q), s.queueOutbox(&q)); err != nil {
			return err
		}
	}
	q.Queue("commit")
	if err := conn.SendBatch(ctx, &q).Close(); err != nil {
		return err
	}
	return message.Ack()
}
