package design

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"golang.org/x/sync/errgroup"

	"connect-provider/messages"
)

// riverQueue makes a job of each command. A bridge inserts what it reads from
// the stream, many at a time, and acknowledges it when it is in the database. The
// job's transaction has its logic and its outbox row; that the job is done, River
// notes afterwards, many at a time, and a job that is run again finds its inbox row.
var riverQueue = Design{
	Name: "river", Title: "River, one job per command",
	Prepare: func(ctx context.Context, t Task) (func(context.Context) error, error) {
		pool, err := openPool(ctx, t.Bed.DatabaseURL, riverConnections)
		if err != nil {
			return nil, err
		}
		migrator, err := rivermigrate.New(riverpgxv5.New(pool), nil)
		if err != nil {
			return nil, err
		}
		if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
			return nil, err
		}
		return func(ctx context.Context) error {
			defer pool.Close()
			return workRiver(ctx, pool, t.Bed.JS)
		}, nil
	},
}

// The fastest of what was tried, commands a second: River's default of 100 ms
// between two fetches 1,145 to 1,539, 50 ms 1,236 to 1,601, 20 ms 1,487, 10 ms
// 1,289; 100 workers 1,289, 200 up to 1,487, 400 up to 1,601, 1,000 1,457; pools of
// 16, 24, 64 and 100 connections the same within 10%. With river.JobCompleteTx in
// the job's transaction 626 to 772, whatever the rest.
const (
	riverWorkers     = 400
	riverConnections = 24
	riverCooldown    = 50 * time.Millisecond
	riverInsert      = 1000 // jobs in one insert
)

// connectJob is a command as a job.
type connectJob struct {
	StreamCreated, Time time.Time
	Sequence            uint64
	Subject             string
	Body                []byte
}

// Kind names the job.
func (connectJob) Kind() string { return "connect_provider" }

// connectWorker decides commands.
type connectWorker struct {
	river.WorkerDefaults[connectJob]
	pool *pgxpool.Pool
}

// Work decides one.
func (w *connectWorker) Work(ctx context.Context, job *river.Job[connectJob]) error {
	return pgx.BeginFunc(ctx, w.pool, func(tx pgx.Tx) error {
		a := job.Args
		s := newSingle(messages.Message{StreamCreated: a.StreamCreated, Time: a.Time, Sequence: a.Sequence, Subject: a.Subject, Body: a.Body})
		var q pgx.Batch
		s.queueLoad(&q)
		if err := tx.SendBatch(ctx, &q).Close(); err != nil {
			return err
		}
		if !s.decide() {
			return nil
		}
		q = pgx.Batch{}
		return errors.Join(s.queueWrite(&q), s.queueOutbox(&q), tx.SendBatch(ctx, &q).Close())
	})
}

func workRiver(ctx context.Context, pool *pgxpool.Pool, js jetstream.JetStream) error {
	workers := river.NewWorkers()
	river.AddWorker(workers, &connectWorker{pool: pool})
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Queues:        map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: riverWorkers}},
		Workers:       workers,
		FetchCooldown: riverCooldown,
		Logger:        slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	commands, err := openCommands(ctx, js)
	if err != nil {
		return err
	}
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	work, working := errgroup.WithContext(ctx)
	work.Go(func() error { return commands.insertJobs(working, client) })
	work.Go(func() error { return pollOutbox(working, pool, js) })
	return errors.Join(work.Wait(), client.Stop(context.WithoutCancel(ctx)))
}

// insertJobs is the bridge from the stream.
func (c *commands) insertJobs(ctx context.Context, client *river.Client[pgx.Tx]) error {
	for ctx.Err() == nil {
		batch, err := c.consumer.Fetch(riverInsert, jetstream.FetchMaxWait(50*time.Millisecond))
		if err != nil {
			return err
		}
		if err := c.insertBatch(context.WithoutCancel(ctx), client, batch); err != nil {
			return err
		}
	}
	return nil
}

func (c *commands) insertBatch(ctx context.Context, client *river.Client[pgx.Tx], batch jetstream.MessageBatch) error {
	var jobs []river.InsertManyParams
	var read []jetstream.Msg
	for message := range batch.Messages() {
		stored, err := c.stored(message)
		if err != nil {
			return err
		}
		jobs = append(jobs, river.InsertManyParams{Args: connectJob{stored.StreamCreated, stored.Time, stored.Sequence, stored.Subject, stored.Body}})
		read = append(read, message)
	}
	if err := batch.Error(); err != nil {
		return err
	}
	if len(jobs) == 0 {
		return nil
	}
	if _, err := client.InsertManyFast(ctx, jobs); err != nil {
		return err
	}
	for _, message := range read {
		if err := message.Ack(); err != nil {
			return err
		}
	}
	return nil
}
