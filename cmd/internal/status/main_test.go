package status

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"connect-provider/deploy/demo"
	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
	"connect-provider/worker"
)

func TestMain(m *testing.M) { os.Exit(systemtest.Main(m)) }

// bed is a database with the demo organizations, a NATS server with the
// streams, each class cut into two lanes, and the Servers that read them.
type bed struct {
	t      testing.TB
	url    string
	pool   *pgxpool.Pool
	server *systemtest.NATSServer
	js     jetstream.JetStream
	asked  *Servers
}

const testLanes = 2

func newBed(t testing.TB) *bed {
	t.Helper()
	b := &bed{t: t, url: systemtest.MigratedDatabase(t), server: systemtest.NATS(t)}
	b.pool = b.openPool()
	b.js = b.connect()
	if _, _, err := worker.EnsureStreams(t.Context(), b.js, messages.StreamOptions{Lanes: testLanes, InteractiveMaxBytes: 1 << 20, BulkMaxBytes: 1 << 20, EventsMaxBytes: 1 << 20}, false); err != nil {
		t.Fatal(err)
	}
	if err := demo.Load(t.Context(), b.pool); err != nil {
		t.Fatal(err)
	}
	b.asked = &Servers{Database: b.pool, JetStream: b.js, Timeout: time.Minute}
	return b
}

func (b *bed) openPool() *pgxpool.Pool {
	b.t.Helper()
	pool, err := worker.NewPool(context.Background(), b.url, 2)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(pool.Close)
	return pool
}

func (b *bed) connect() jetstream.JetStream {
	b.t.Helper()
	nc, err := nats.Connect(b.server.URL(), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		b.t.Fatal(err)
	}
	return js
}

// testWorker is a worker at work.
type testWorker struct {
	stop func() // orderly
	kill func() // as a crash: leases and rows stay
}

// work starts a worker and waits until it has all lanes.
func (b *bed) work() *testWorker {
	b.t.Helper()
	config := worker.DefaultConfig()
	config.Name, config.Version, config.LeaseTTL, config.DrainTimeout = "worker-of-"+b.t.Name(), "test", time.Second, time.Second
	pool, js := b.openPool(), b.connect()
	config.Database, config.NATS, config.Logger, config.Registerer = pool, js.Conn(), systemtest.Logger(b.t), prometheus.NewRegistry()
	w, err := worker.New(config)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	end := func() {
		cancel()
		ended <- <-ended // for whoever ends it again
	}
	running := &testWorker{stop: end, kill: func() {
		js.Conn().Close()
		pool.Close()
		end()
	}}
	b.t.Cleanup(running.stop)
	systemtest.Eventually(b.t, "the worker to own all lanes", func() error {
		return b.expectCount(2*testLanes, `select count(*) from connect_provider.lanes where lease_expires_at > now()`)
	})
	return running
}

func (b *bed) execute(sql string, args ...any) {
	b.t.Helper()
	if _, err := b.pool.Exec(b.t.Context(), sql, args...); err != nil {
		b.t.Fatal(err)
	}
}

// publish publishes a command as it is and returns its sequence.
func (b *bed) publish(class messages.Class, handle, body string) uint64 {
	b.t.Helper()
	ack, err := b.js.Publish(b.t.Context(), messages.CommandSubject(class, organization(b.t, handle), messages.VerbConnectProvider), []byte(body))
	if err != nil {
		b.t.Fatal(err)
	}
	return ack.Sequence
}

// command is the JSON of one that asks for acme's documented number.
func command(id, bridge string) string {
	return `{"command_id":"` + id + `","bridge_slug":"` + bridge + `","provider_config_id":42,"phone_number":"+1234567890"}`
}

func organization(t testing.TB, handle string) messages.Organization {
	t.Helper()
	o, err := messages.OrganizationFromHandle(handle)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// laneOf is the lane of an organization's commands.
func laneOf(t testing.TB, class messages.Class, handle string) messages.Lane {
	return messages.Lane{Class: class, Number: messages.Partition(organization(t, handle).Token, testLanes)}
}

// awaitDecided waits until the inbox has so many rows and the outbox none.
func (b *bed) awaitDecided(n int) {
	b.t.Helper()
	systemtest.Eventually(b.t, "commands to be decided", func() error {
		if err := b.expectCount(n, `select count(*) from connect_provider.inbox`); err != nil {
			return err
		}
		return b.expectCount(0, `select count(*) from connect_provider.outbox`)
	})
}
func (b *bed) expectCount(want int, sql string) error {
	var n int
	err := b.pool.QueryRow(b.t.Context(), sql).Scan(&n)
	if err == nil && n != want {
		err = fmt.Errorf("%d, want %d", n, want)
	}
	return err
}
