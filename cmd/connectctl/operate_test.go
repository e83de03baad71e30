package main

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"connect-provider/deploy/local"
	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
	"connect-provider/worker"
)

// operated is a whole system that a test works with the operator's commands.
type operated struct {
	*system
	t   *testing.T
	url string // of the database, as the commands get it
}

// openPool opens a database for a test.
func openPool(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func startOperated(t *testing.T) *operated {
	t.Helper()
	s, err := startSystem(t.Context(), local.Options{
		Dir: t.TempDir(), DatabaseURL: systemtest.Database(t), Logger: systemtest.Logger(t),
	}, devStreams)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return &operated{system: s, t: t, url: s.databaseURL}
}

// impatient puts a worker in the place of the system's that holds a lane as
// soon as an error has lasted for a moment.
func (o *operated) impatient() {
	o.t.Helper()
	if err := o.stopWorker(); err != nil {
		o.t.Fatal(err)
	}
	pool, err := worker.NewPool(context.WithoutCancel(o.t.Context()), o.databaseURL, 2)
	if err != nil {
		o.t.Fatal(err)
	}
	config := worker.DefaultConfig()
	config.Name, config.Version, config.HoldAfter = "impatient", "test", 50*time.Millisecond
	config.LeaseTTL = 10 * time.Second // its renewals are the commits that tell who is to blame
	config.Database, config.NATS, config.Logger, config.Registerer = pool, o.nc, o.logger, prometheus.NewRegistry()
	w, err := worker.New(config)
	if err != nil {
		o.t.Fatal(err)
	}
	ctx, drain := context.WithCancel(context.WithoutCancel(o.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	o.t.Cleanup(func() {
		drain()
		if err := <-ended; err != nil {
			o.t.Error(err)
		}
		pool.Close()
	})
	systemtest.Eventually(o.t, "worker ready", w.Ready)
}

// ctl runs a command against the system.
func (o *operated) ctl(wantCode int, args ...string) (stdout, stderr string) {
	o.t.Helper()
	args = append(args, "--database-url", o.url)
	switch {
	case args[0] == "resume", args[0] == "skip", args[0] == "dead-letters" && args[1] == "redrive":
		args = append(args, "--server", o.natsURL)
	}
	return runs(o.t, wantCode, args...)
}

func (o *operated) publish(wantCode int, args ...string) string {
	o.t.Helper()
	out, _ := runs(o.t, wantCode, append([]string{"publish", "--server", o.natsURL, "--org", "acme", "--bridge", "sales-bridge-001",
		"--provider-config", "42", "--phone", "+1234567890"}, args...)...)
	return out
}

// send publishes bytes to an organization's interactive commands and returns
// their sequence.
func (o *operated) send(token, verb, body string, header nats.Header) uint64 {
	o.t.Helper()
	ack, err := o.js.PublishMsg(o.t.Context(), &nats.Msg{Subject: "telephony.commands." + token + "." + verb, Data: []byte(body), Header: header})
	if err != nil {
		o.t.Fatal(err)
	}
	return ack.Sequence
}

func (o *operated) exec(sql string, args ...any) {
	o.t.Helper()
	if _, err := o.pool.Exec(context.Background(), sql, args...); err != nil {
		o.t.Fatal(err)
	}
}

func (o *operated) count(sql string, args ...any) int {
	o.t.Helper()
	n, err := countRows(o.pool, sql, args...)
	if err != nil {
		o.t.Fatal(err)
	}
	return n
}

func (o *operated) await(what string, want int, sql string, args ...any) {
	o.t.Helper()
	systemtest.Eventually(o.t, what, func() error {
		n, err := countRows(o.pool, sql, args...)
		if err == nil && n != want {
			err = fmt.Errorf("%d, want %d", n, want)
		}
		return err
	})
}

func countRows(pool *pgxpool.Pool, sql string, args ...any) (n int, err error) {
	err = pool.QueryRow(context.Background(), sql, args...).Scan(&n)
	return n, err
}

// toldWorkers returns a function that waits until the workers have been told to
// look, since it was called.
func (o *operated) toldWorkers() (await func()) {
	o.t.Helper()
	told, err := o.nc.SubscribeSync("telephony.workers")
	if err != nil {
		o.t.Fatal(err)
	}
	if err := o.nc.Flush(); err != nil {
		o.t.Fatal(err)
	}
	return func() {
		o.t.Helper()
		ctx, cancel := context.WithTimeout(o.t.Context(), 30*time.Second)
		defer cancel()
		if _, err := told.NextMsgWithContext(ctx); err != nil {
			o.t.Errorf("the workers were told nothing: %v", err)
		}
		_ = told.Unsubscribe()
	}
}

// refuse has the database refuse to write one command id's outcome with an
// SQLSTATE, its failure aside.
func (o *operated) refuse(id, state string) {
	o.t.Helper()
	o.exec(fmt.Sprintf(`create function connect_provider."refuse_%[1]s"() returns trigger language plpgsql as
		$$ begin if new.failure_code is distinct from 'internal_error' then raise exception 'planted, for +1234567890' using errcode = '%[2]s'; end if; return new; end $$`, id, state))
	o.exec(fmt.Sprintf(`create trigger "refuse_%[1]s" before insert on connect_provider.inbox for each row when (new.key = '%[1]s')
		execute function connect_provider."refuse_%[1]s"()`, id))
}

func (o *operated) accept(id string) {
	o.t.Helper()
	o.exec(fmt.Sprintf(`drop trigger "refuse_%s" on connect_provider.inbox`, id))
}

// laneOfAcme is where the example organization's interactive commands are.
func laneOfAcme() string {
	return messages.Lane{Class: messages.Interactive, Number: messages.Partition("acme", 16)}.String()
}

// restricted creates a role with the rights that the operator's commands need
// and no others, and has the commands use it.
func (o *operated) restricted() {
	o.t.Helper()
	role := "operator_" + strings.ToLower(o.t.Name()[len("Test"):])
	for _, sql := range []string{
		`create role ` + role + ` login password 'secret'`,
		`grant usage on schema connect_provider, telephony to ` + role,
		`grant select on all tables in schema connect_provider, telephony to ` + role,
		`grant insert, delete on connect_provider.pauses to ` + role,
		`grant update (skip_sequence, skip_reason) on connect_provider.lanes to ` + role,
		`grant delete, update (redrives, redriven_at, redriven_as) on connect_provider.dead_letters to ` + role,
	} {
		o.exec(sql)
	}
	o.t.Cleanup(func() {
		o.exec(`drop owned by ` + role)
		o.exec(`drop role ` + role)
	})
	config, err := pgx.ParseConfig(o.databaseURL)
	if err != nil {
		o.t.Fatal(err)
	}
	o.url = fmt.Sprintf("host=%s port=%d dbname=%s user=%s password=secret sslmode=disable", config.Host, config.Port, config.Database, role)
}

// TestStatementsFitTheSchema prepares every statement against the migrated schema.
func TestStatementsFitTheSchema(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), systemtest.MigratedDatabase(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background()) //nolint:errcheck // the test is over
	files, err := fs.Glob(sqlFiles, "sql/*.sql")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(file, "sql/"), ".sql")
		if !strings.HasPrefix(statement(name), "-- ") {
			t.Errorf("%s does not say what it does", name)
		}
		if _, err := conn.Prepare(t.Context(), "", statement(name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
