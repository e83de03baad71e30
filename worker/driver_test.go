package worker

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
	"connect-provider/outbox"
)

// driver works lanes by hand, so that a test decides where batches begin and
// end and at which point a worker stops.
type driver struct {
	s *system
	w *Worker
}

func newDriver(t testing.TB, s *system) *driver {
	t.Helper()
	config := DefaultConfig()
	config.Database, config.NATS = openPool(t, s.databaseURL), connectNATS(t, s.server.URL())
	config.Logger = systemtest.Logger(t)
	w := newDriverWorker(t, config)
	if err := w.prepare(context.Background()); err != nil {
		t.Fatal(err)
	}
	return &driver{s: s, w: w}
}

func newDriverWorker(t testing.TB, config Config) *Worker {
	t.Helper()
	config.Registerer = prometheus.NewRegistry()
	w, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// acquire takes a lane, whoever has it, and brings its events up to date. The
// publisher is not started.
func (d *driver) acquire(lane messages.Lane) (*laneRun, error) {
	ctx := context.Background()
	rows, err := d.w.pool.Query(ctx, `update connect_provider.lanes
		set owner = $1, owner_token = gen_random_uuid(), epoch = epoch + 1, lease_expires_at = now() + interval '1 hour'
		where lane = $2
		returning lane, owner_token, epoch, stream_created, generation, cursor, cursor_time,
		          events_created, last_event, replay_from, replay_until_generation, replay_until_sequence`, d.w.id, lane.String())
	if err != nil {
		return nil, err
	}
	row, err := pgx.CollectExactlyOneRow(rows, scanLane)
	if err != nil {
		return nil, err
	}
	l := newLaneRun(ctx, d.w, row)
	if err := l.takeOver(ctx); err != nil {
		return nil, err
	}
	r, err := l.open(ctx)
	if err != nil {
		return nil, err
	}
	r.close(ctx, d.w.js, lane)
	return l, nil
}

// next reads up to n messages behind the lane's cursor.
func (d *driver) next(l *laneRun, n int) ([]*messages.Received, error) {
	ctx := context.Background()
	consumer, err := d.w.js.OrderedConsumer(ctx, l.lane.Class.Stream(), jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{l.lane.CommandFilter()}, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: l.row.cursor + 1,
	})
	if err != nil {
		return nil, err
	}
	fetched, err := consumer.FetchNoWait(n)
	if err != nil {
		return nil, err
	}
	var batch []*messages.Received
	for message := range fetched.Messages() {
		metadata, err := message.Metadata()
		if err != nil {
			return nil, err
		}
		received := messages.Decode(messages.Message{
			StreamCreated: time.Unix(0, l.row.streamCreated).UTC(), Time: metadata.Timestamp, Sequence: metadata.Sequence.Stream,
			Subject: message.Subject(), Header: message.Headers(), Body: message.Data(),
		})
		batch = append(batch, &received)
	}
	return batch, fetched.Error()
}

// apply decides and commits a batch, whatever that takes, publishes its
// events, and returns them.
func (d *driver) apply(l *laneRun, batch []*messages.Received) error {
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { done <- l.publisher.run(ctx) }()
	if err := l.apply(ctx, batch, time.Minute); err != nil {
		return err
	}
	close(l.publisher.queue)
	return <-done
}

// commitOnly decides and commits a batch and returns the rows that nobody has
// published.
func (d *driver) commitOnly(l *laneRun, batch []*messages.Received) ([]outbox.Row, error) {
	return l.tryBatch(context.Background(), batch, nil)
}
