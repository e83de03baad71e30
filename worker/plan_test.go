package worker

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"connect-provider/deploy/workload"
	"connect-provider/messages"
	"connect-provider/outbox"
)

var hundred = workload.Hundred()

// TestPlansUseIndexes prepares the statements of a batch against empty tables,
// as the first worker of an installation does, fills the tables, and looks at
// the plans that the same connection then runs: none may read a whole table.
func TestPlansUseIndexes(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	lane := messages.Lane{Class: messages.Bulk, Number: 0}
	batch := []*messages.Received{measuredCommand(1), measuredCommand(2)}

	load := func(look func(state *state, statements map[string]string)) {
		t.Helper()
		state, err := lockAndLoad(ctx, conn.Conn(), lane, time.Minute, batch, nil)
		if err != nil {
			t.Fatal(err)
		}
		// the closer look is taken only where a bridge has several providers
		var q pgx.Batch
		q.Queue(loadBridgeProvidersSQL, []string{}, []string{}, 1)
		q.Queue(loadOutcomesSQL, hundred.Organization(0).Token, []string{}) // under the same settings
		if err := conn.SendBatch(ctx, &q).Close(); err != nil {
			t.Fatal(err)
		}
		look(state, prepared(t, conn.Conn()))
		if _, err := conn.Exec(ctx, "rollback"); err != nil {
			t.Fatal(err)
		}
	}
	load(func(*state, map[string]string) {})
	if err := hundred.Load(ctx, s.pool); err != nil {
		t.Fatal(err)
	}
	s.platform(`insert into connect_provider.connections
		select phone_number, domain_handle, 'bridge-0', 1, 'twilio', 1, now() from telephony.phone_numbers`)
	s.platform(`insert into connect_provider.inbox (org_token, key, digest, lane, stream_created, generation, sequence, message_time, decided_at, changed, failure_code, failure)
		select 'load-0', 'k' || n, '0123456789abcdef', 'b0', 1, 1, n, 1, now(), false, 'c', '{}' from generate_series(1, 100000) n`)
	check := func(loaded *state, statements map[string]string) {
		if len(loaded.numbers) != 2 || len(loaded.connections) != 2 || len(loaded.bridges) != 1 {
			t.Errorf("the batch's state is %d numbers, %d connections, %d bridges", len(loaded.numbers), len(loaded.connections), len(loaded.bridges))
		}
		for name, sql := range map[string]string{
			"organizations": loadOrganizationsSQL, "bridges": loadBridgesSQL, "bridge_providers": loadBridgeProvidersSQL,
			"configurations": loadConfigurationsSQL, "numbers": loadNumbersSQL, "connections": loadConnectionsSQL, "inbox": loadInboxSQL,
			"outcomes": loadOutcomesSQL,
		} {
			plan := explain(t, conn.Conn(), statements[sql])
			if strings.Contains(plan, "Seq Scan") || strings.Contains(plan, "Hash Join") || strings.Contains(plan, "Merge Join") || !strings.Contains(plan, "Index") {
				t.Errorf("the plan of load_%s reads a whole table:\n%s", name, plan)
			}
		}
		if plan := explain(t, conn.Conn(), statements[loadOutcomesSQL]); !strings.Contains(plan, "Index Cond: ((org_token = $1) AND (key = wanted.key))") {
			t.Errorf("the plan of load_outcomes reads all of an organization:\n%s", plan)
		}
	}
	load(check) // the plans made for empty tables
	s.platform(`analyze`)
	load(check) // those that the statistics lead to
}

// measuredCommand is the command of one number of the workload, for a bridge of the first
// organization.
func measuredCommand(n int) *messages.Received {
	command := connectCommand("k"+hundred.Number(n)[1:], "bridge-0", 1, hundred.Number(n))
	received := messages.Decode(messages.Message{Sequence: 1, Time: time.Unix(1, 0), StreamCreated: time.Unix(1, 0),
		Subject: "telephony.bulk.0." + hundred.Organization(0).Token + ".connect-provider", Body: command})
	return &received
}

// prepared returns the names of a connection's prepared statements by their SQL.
func prepared(t *testing.T, conn *pgx.Conn) map[string]string {
	t.Helper()
	rows, err := conn.Query(context.Background(), "select statement, name || '(' || array_to_string(array_fill('null'::text, array[cardinality(parameter_types)]), ',') || ')' from pg_prepared_statements where cardinality(parameter_types) > 0")
	if err != nil {
		t.Fatal(err)
	}
	statements := map[string]string{}
	var sql, name string
	if _, err := pgx.ForEachRow(rows, []any{&sql, &name}, func() error { statements[sql] = name; return nil }); err != nil {
		t.Fatal(err)
	}
	return statements
}

// explain returns the plan of a prepared statement, called as name(null, …).
func explain(t *testing.T, conn *pgx.Conn, call string) string {
	t.Helper()
	if call == "" {
		t.Error("a statement is not prepared")
		return ""
	}
	rows, err := conn.Query(context.Background(), "explain execute "+call, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// TestRemovalDoesNotWalkThroughWhatIsGone: until a vacuum the outbox's index keeps
// rows that were removed, so a removal begins behind them.
func TestRemovalDoesNotWalkThroughWhatIsGone(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := newSystem(t)
	s.platform(`alter table connect_provider.outbox set (autovacuum_enabled = off)`)
	s.platform(`insert into connect_provider.outbox select 'b0', 1, n, 's', 'p' from generate_series(1, 50000) n`)
	s.platform(`delete from connect_provider.outbox`)
	s.platform(`insert into connect_provider.outbox select 'b0', 1, n, 's', 'p' from generate_series(50001, 50010) n`)
	read := func(behind int64) (pages int) {
		t.Helper()
		conn, err := s.pool.Acquire(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Release()
		tx, err := conn.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback(ctx)
		if _, err := tx.Exec(ctx, prepareSQL, "5000"); err != nil {
			t.Fatal(err)
		}
		var plans []struct {
			Plan struct {
				Hit  int `json:"Shared Hit Blocks"`
				Read int `json:"Shared Read Blocks"`
			}
		}
		err = tx.QueryRow(ctx, "explain (analyze, buffers, format json) "+outbox.Statements()["remove"],
			"b0", int64(1), behind, int64(1), int64(50010)).Scan(&plans)
		if err != nil {
			t.Fatal(err)
		}
		return plans[0].Plan.Hit + plans[0].Plan.Read
	}
	if pages := read(50000); pages > 60 {
		t.Errorf("removing ten rows read %d pages", pages)
	}
	if pages := read(0); pages < 200 {
		t.Errorf("removing from the beginning read %d pages, so there was nothing to walk through", pages)
	}
}
