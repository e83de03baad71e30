package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
	"connect-provider/worker"
)

// refusals notes statements that the server refused for want of a right.
type refusals struct {
	mu  sync.Mutex
	all []string
}

func (r *refusals) note(sql string, err error) {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42501" {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.all = append(r.all, pg.Message+": "+sql)
	}
}

func (r *refusals) err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.all) > 0 {
		return fmt.Errorf("refused: %q", r.all)
	}
	return nil
}

func (r *refusals) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	return context.WithValue(ctx, r, data.SQL)
}

func (r *refusals) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	sql, _ := ctx.Value(r).(string)
	r.note(sql, data.Err)
}

func (r *refusals) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

func (r *refusals) TraceBatchQuery(_ context.Context, _ *pgx.Conn, data pgx.TraceBatchQueryData) {
	r.note(data.SQL, data.Err)
}

func (r *refusals) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// TestAWorkerLivesUnderItsRole: from the first record of the lanes over every
// kind of outcome, isolation and pruning to its orderly end, the server refuses
// the worker nothing.
func TestAWorkerLivesUnderItsRole(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newBed(t)
	// a command that breaks its batch, as a defect of ours would
	for _, sql := range []string{
		`create function connect_provider.refuse() returns trigger language plpgsql as
			$$ begin if new.failure_code is distinct from 'internal_error' then raise exception 'planted' using errcode = '22003'; end if; return new; end $$`,
		`create trigger refuse before insert on connect_provider.inbox for each row when (new.key = 'breaks') execute function connect_provider.refuse()`,
	} {
		if _, err := b.owner.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	nc, err := nats.Connect(systemtest.NATS(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := worker.EnsureStreams(ctx, js, messages.StreamOptions{Lanes: 2}, false); err != nil {
		t.Fatal(err)
	}
	refused := &refusals{}
	pool, err := worker.NewPool(ctx, b.url("worker"), 2, func(config *pgxpool.Config) { config.ConnConfig.Tracer = refused })
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	config := worker.DefaultConfig()
	config.Name, config.Version, config.Logger, config.Registerer = t.Name(), "test", systemtest.Logger(t), prometheus.NewRegistry()
	config.Database, config.NATS = pool, nc
	config.LeaseTTL, config.UpkeepInterval, config.ReplayWindow = time.Second, 10*time.Millisecond, 0
	config.InboxRetention, config.DeadLetterRetention = time.Millisecond, time.Millisecond
	w, err := worker.New(config)
	if err != nil {
		t.Fatal(err)
	}
	living, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- w.Run(living) }()

	acme, err := messages.OrganizationFromHandle("acme")
	if err != nil {
		t.Fatal(err)
	}
	publish := func(class messages.Class, body string) {
		t.Helper()
		if _, err := js.Publish(ctx, messages.CommandSubject(class, acme, messages.VerbConnectProvider), []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	reach := func(what, sql string) {
		t.Helper()
		systemtest.Eventually(t, what, func() error {
			if err := refused.err(); err != nil {
				t.Fatal(err)
			}
			var reached bool
			err := b.owner.QueryRow(ctx, sql).Scan(&reached)
			if err == nil && !reached {
				err = errors.New("not yet")
			}
			return err
		})
	}
	const command = `{"command_id":"%s","bridge_slug":"sales-bridge-001","provider_config_id":%d,"phone_number":"+1234567890"}`
	publish(messages.Interactive, fmt.Sprintf(command, "connects", 42))
	reach("a connection", "select count(*) = 1 from connect_provider.connections")
	if _, err := b.owner.Exec(ctx, "update telephony.phone_numbers set provider_config_id = 1 where phone_number = '+1234567890'"); err != nil {
		t.Fatal(err)
	}
	publish(messages.Bulk, fmt.Sprintf(command, "moves", 1))
	reach("another configuration", "select connection_version = 2 from connect_provider.connections")
	publish(messages.Interactive, fmt.Sprintf(command, "fails", 42))
	publish(messages.Interactive, "not a command")
	publish(messages.Interactive, fmt.Sprintf(command, "breaks", 1))
	systemtest.Eventually(t, "five events", func() error {
		if err := refused.err(); err != nil {
			t.Fatal(err)
		}
		stream, err := js.Stream(ctx, messages.EventsStream)
		if err != nil {
			return err
		}
		if stored := stream.CachedInfo().State.Msgs; stored != 5 {
			return fmt.Errorf("%d events", stored)
		}
		return nil
	})
	reach("all passed and pruned", `select not exists (select from connect_provider.inbox) and not exists (select from connect_provider.dead_letters)
		and not exists (select from connect_provider.outbox) and (select sum(cursor) > 0 from connect_provider.lanes)`)
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	reach("a farewell", `select not exists (select from connect_provider.workers) and not exists (select from connect_provider.lanes where owner is not null)`)
	if err := refused.err(); err != nil {
		t.Error(err)
	}
}
