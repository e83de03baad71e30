package worker

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/messages"
	"connect-provider/outbox"
)

// baseline is what most would write first, and what the worker is measured
// against: the same decision, the same rows and the same statements, but a
// transaction for each command, 64 at a time, each acknowledged after its
// commit, and an outbox that is polled. It keeps no order.
type baseline struct {
	s    *system
	pool *pgxpool.Pool
}

const (
	baselineAtOnce = 64
	baselinePoll   = 5 * time.Millisecond
)

// run decides the first n commands of the bulk stream and returns when all
// their events are in the events stream.
func (b *baseline) run(n int) {
	t := b.s.t
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var group sync.WaitGroup
	defer group.Wait()
	commands := b.consume(ctx, t)
	for range baselineAtOnce {
		group.Go(func() {
			for {
				message, err := commands.Next(jetstream.NextContext(ctx))
				if err != nil {
					return
				}
				if err := b.handle(ctx, message); err != nil && ctx.Err() == nil {
					t.Errorf("baseline: %v", err)
					return
				}
			}
		})
	}
	group.Go(func() {
		if err := b.relay(ctx); err != nil && ctx.Err() == nil {
			t.Errorf("baseline's outbox: %v", err)
		}
	})
	b.s.awaitLoad(n)
	cancel()
}

func (b *baseline) consume(ctx context.Context, t testing.TB) jetstream.MessagesContext {
	consumer, err := b.s.js.CreateConsumer(ctx, messages.Bulk.Stream(), jetstream.ConsumerConfig{
		AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 10_000, MemoryStorage: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	commands, err := consumer.Messages(jetstream.PullMaxMessages(2000))
	if err != nil {
		t.Fatal(err)
	}
	context.AfterFunc(ctx, commands.Stop)
	return commands
}

// handle decides one command in two round trips: begin, lock and load; write
// and commit.
func (b *baseline) handle(ctx context.Context, message jetstream.Msg) error {
	metadata, err := message.Metadata()
	if err != nil {
		return err
	}
	received := messages.Decode(messages.Message{Time: metadata.Timestamp, Sequence: metadata.Sequence.Stream,
		Subject: message.Subject(), Header: message.Headers(), Body: message.Data()})
	conn, err := b.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	s, err := b.load(ctx, conn.Conn(), &received)
	if err != nil {
		return errors.Join(err, rollback(conn, nil))
	}
	move := cursorMove{lane: received.Lane, generation: 1, at: time.Now().UTC()}
	decisions := decide(s, []*messages.Received{&received}, nil, move.at)
	rows, err := outcomeRows(move, decisions)
	if err != nil {
		return err
	}
	var q pgx.Batch
	queueConnections(&q, s)
	if err := queueInbox(&q, move, decisions); err != nil {
		return err
	}
	outbox.Append(&q, move.lane, rows)
	q.Queue("commit")
	if err := conn.SendBatch(ctx, &q).Close(); err != nil {
		return errors.Join(err, rollback(conn, nil))
	}
	return message.Ack()
}

func (b *baseline) load(ctx context.Context, conn *pgx.Conn, received *messages.Received) (*state, error) {
	w := wantedBy([]*messages.Received{received}, nil)
	s := newState(1)
	organization := fnv.New32a()
	_, _ = organization.Write([]byte(received.Organization.Token))
	var q pgx.Batch
	q.Queue("begin")
	q.Queue("select pg_advisory_xact_lock(1, $1::int)", int32(organization.Sum32()))
	q.Queue(loadOrganizationsSQL, w.organizations).Query(s.scanOrganizations)
	s.queueBridges(&q, w.bridges)
	s.queueConfigurations(&q, w.configurations)
	q.Queue(loadNumbersSQL, w.numbers).Query(s.scanNumbers)
	q.Queue(loadConnectionsSQL, w.numbers).Query(s.scanConnections)
	s.queueInbox(&q, w.inbox)
	return s, conn.SendBatch(ctx, &q).Close()
}

// relay publishes what the outbox has, looking every few milliseconds.
func (b *baseline) relay(ctx context.Context) error {
	tick := time.NewTicker(baselinePoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		rows, err := b.pool.Query(ctx, `select lane, generation, sequence, subject, payload from connect_provider.outbox order by sequence limit 500`)
		if err != nil {
			return err
		}
		type row struct {
			Lane                 string
			Generation, Sequence int64
			Subject              string
			Payload              []byte
		}
		waiting, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
		if err != nil {
			return err
		}
		futures := make([]jetstream.PubAckFuture, len(waiting))
		lanes, sequences := make([]string, len(waiting)), make([]int64, len(waiting))
		for i, r := range waiting {
			if futures[i], err = b.s.js.PublishAsync(r.Subject, r.Payload); err != nil {
				return err
			}
			lanes[i], sequences[i] = r.Lane, r.Sequence
		}
		for _, future := range futures {
			select {
			case <-future.Ok():
			case err := <-future.Err():
				return fmt.Errorf("publish: %w", err)
			}
		}
		_, err = b.pool.Exec(ctx, `delete from connect_provider.outbox o using unnest($1::text[], $2::bigint[]) as n(lane, sequence)
			where o.lane = n.lane and o.generation = 1 and o.sequence = n.sequence`, lanes, sequences)
		if err != nil {
			return err
		}
	}
}
