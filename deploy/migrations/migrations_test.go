package migrations_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"connect-provider/deploy/migrations"
	"connect-provider/deploy/systemtest"
)

func TestMain(m *testing.M) { os.Exit(systemtest.Main(m)) }

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// TestSchemaMustFit: a binary refuses a database that was never migrated or is
// older, uses one that is newer by additions, and refuses one that has left it
// behind; each refusal says what to do.
func TestSchemaMustFit(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	url := systemtest.Database(t)
	conn := connect(t, url)
	refused := func(when, advice string) {
		t.Helper()
		err := migrations.Check(ctx, conn)
		if !errors.Is(err, migrations.ErrSchema) || !strings.Contains(err.Error(), advice) {
			t.Errorf("%s: got %v, want a refusal that says %q", when, err, advice)
		}
	}
	refused("never migrated", "connect-provider migrate")
	if err := migrations.Up(ctx, url); err != nil {
		t.Fatal(err)
	}
	if err := migrations.Check(ctx, conn); err != nil {
		t.Errorf("migrated: %v", err)
	}
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	exec(`insert into connect_provider.schema_version (version_id, is_applied) values (1000, true)`)
	if err := migrations.Check(ctx, conn); err != nil {
		t.Errorf("newer by additions: %v", err)
	}
	exec(`update connect_provider.schema_compatibility set oldest_binary = 1000`)
	refused("binary left behind", "install the newer release")
	exec(`update connect_provider.schema_compatibility set oldest_binary = 1`)
	exec(`delete from connect_provider.schema_version where version_id > 0`)
	refused("older", "connect-provider migrate")
}

// TestUpAtOnce: several first migrations at the same moment end in one schema.
func TestUpAtOnce(t *testing.T) {
	t.Parallel()
	url := systemtest.Database(t)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if err := migrations.Up(context.Background(), url); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if err := migrations.Check(context.Background(), connect(t, url)); err != nil {
		t.Error(err)
	}
}

// TestPlatformMayBringViews: where the platform has views of the expected
// names, the migrations leave them alone.
func TestPlatformMayBringViews(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	url := systemtest.Database(t)
	conn := connect(t, url)
	for _, sql := range []string{
		`create schema telephony`,
		`create table public.orgs (handle text primary key)`,
		`insert into public.orgs values ('acme')`,
		`create view telephony.organizations as select handle as domain_handle, true as one_provider_per_bridge from public.orgs`,
		`create view telephony.api_tokens as select ''::bytea as token_sha256, ''::text as domain_handle where false`,
		`create view telephony.bridges as select handle as domain_handle, 'b0'::text as slug from public.orgs`,
		`create view telephony.provider_configurations as select handle as domain_handle, 1::bigint as id, 'twilio'::text as provider, true as active from public.orgs`,
		`create view telephony.phone_numbers as select '+1555'::text as phone_number, handle as domain_handle, 1::bigint as provider_config_id, true as active from public.orgs`,
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := migrations.Up(ctx, url); err != nil {
		t.Fatal(err)
	}
	var kind string
	if err := conn.QueryRow(ctx, `select relkind::text from pg_class where oid = 'telephony.organizations'::regclass`).Scan(&kind); err != nil || kind != "v" {
		t.Errorf("organizations is of kind %q, %v; want the platform's view", kind, err)
	}
}

// TestForbiddenStatesAreImpossible tries to write what the code must never
// produce; the database refuses each.
func TestForbiddenStatesAreImpossible(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	conn := connect(t, systemtest.MigratedDatabase(t))
	const connection = `insert into connect_provider.connections values ('+1555', 'acme', 'b0', 1, 'twilio', 1, now())`
	const row = `insert into connect_provider.inbox (org_token, key, digest, lane, stream_created, generation, sequence, message_time, decided_at,
		bridge_slug, provider_config_id, phone_number, provider, changed, connection_version, connected_at, failure_code, failure) values `
	if _, err := conn.Exec(ctx, connection); err != nil {
		t.Fatal(err)
	}
	for name, sql := range map[string]string{
		"a number on two bridges":       `insert into connect_provider.connections values ('+1555', 'acme', 'b1', 1, 'twilio', 1, now())`,
		"a number that is not E.164":    `insert into connect_provider.connections values ('1555', 'acme', 'b1', 1, 'twilio', 1, now())`,
		"a connection without version":  `insert into connect_provider.connections values ('+1556', 'acme', 'b1', 1, 'twilio', 0, now())`,
		"connected and failed":          row + `('acme', 'c', decode(repeat('00', 16), 'hex'), 'c0', 1, 1, 1, 1, now(), 'b0', 1, '+1555', 'twilio', true, 1, now(), 'bridge_not_found', '{}')`,
		"neither connected nor failed":  row + `('acme', 'c', decode(repeat('00', 16), 'hex'), 'c0', 1, 1, 1, 1, now(), 'b0', 1, '+1555', 'twilio', false, null, null, null, null)`,
		"connected to nowhere":          row + `('acme', 'c', decode(repeat('00', 16), 'hex'), 'c0', 1, 1, 1, 1, now(), null, 1, '+1555', 'twilio', true, 1, now(), null, null)`,
		"a failure that changed things": row + `('acme', 'c', decode(repeat('00', 16), 'hex'), 'c0', 1, 1, 1, 1, now(), 'b0', 1, '+1555', 'twilio', true, null, null, 'bridge_not_found', '{}')`,
		"a lane of no class":            `insert into connect_provider.lanes (lane, class) values ('x0', 'x')`,
		"a lane of another class":       `insert into connect_provider.lanes (lane, class) values ('c0', 'b')`,
		"a cursor without a stream":     `insert into connect_provider.lanes (lane, class, cursor) values ('c0', 'c', 5)`,
		"an owner without a lease":      `insert into connect_provider.lanes (lane, class, owner) values ('c0', 'c', gen_random_uuid())`,
		"a lane held for no reason":     `insert into connect_provider.lanes (lane, class, held_since) values ('c0', 'c', now())`,
		"a replay without an end":       `insert into connect_provider.lanes (lane, class, replay_from) values ('c0', 'c', 1)`,
	} {
		_, err := conn.Exec(ctx, sql)
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code[:2] != "23" {
			t.Errorf("%s: got %v, want a constraint's refusal", name, err)
		}
	}
}

// TestOtherEncodingsAreRefused: a command's text may be any that UTF-8 can hold.
func TestOtherEncodingsAreRefused(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	given := systemtest.Database(t)
	conn := connect(t, given)
	config := conn.Config()
	name := config.Database + "_latin1"
	if _, err := conn.Exec(ctx, `create database `+name+` encoding 'LATIN1' locale 'C' template template0`); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := conn.Exec(ctx, `drop database `+name); err != nil {
			t.Error(err)
		}
	})
	err := migrations.Up(ctx, strings.Replace(given, "/"+config.Database, "/"+name, 1))
	if err == nil || !strings.Contains(err.Error(), "LATIN1") || !strings.Contains(err.Error(), "UTF8") {
		t.Errorf("got %v, want a refusal that names both encodings", err)
	}
}

// TestKeysCompareByTheirBytes: whatever order the database's language has, so that
// no unique index depends on the operating system's.
func TestKeysCompareByTheirBytes(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	conn := connect(t, systemtest.MigratedDatabase(t))
	rows, err := conn.Query(ctx, `
		select format('%s (%s)', i.indexrelid::regclass, a.attname)
		from pg_index i
		join pg_class c on c.oid = i.indexrelid
		join pg_attribute a on a.attrelid = i.indexrelid
		where c.relnamespace = 'connect_provider'::regnamespace and a.attcollation not in (0, 'pg_catalog."C"'::regcollation)`)
	if err != nil {
		t.Fatal(err)
	}
	others, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(others) > 0 {
		t.Errorf("indexes that are sorted otherwise: %s, %v", others, err)
	}
}
