package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// tables are all there are; a table that is added must be added here too, with
// what the roles may do with it.
var tables = []string{
	"telephony.api_tokens",
	"telephony.bridges",
	"telephony.organizations",
	"telephony.phone_numbers",
	"telephony.provider_configurations",
	"connect_provider.connections",
	"connect_provider.dead_letters",
	"connect_provider.inbox",
	"connect_provider.job_outcomes",
	"connect_provider.lanes",
	"connect_provider.outbox",
	"connect_provider.pauses",
	"connect_provider.purge_marks",
	"connect_provider.schema_compatibility",
	"connect_provider.schema_version",
	"connect_provider.workers",
}

var verbs = []string{"select", "insert", "update", "delete", "truncate", "references", "trigger"}

// may is all that a role may do with a table. An update of certain columns
// names them: "update(skip_reason)".
func may(role, table string) []string {
	platform := strings.HasPrefix(table, "telephony.")
	switch role {
	case "gateway":
		if table == "telephony.api_tokens" {
			return []string{"select"}
		}
	case "worker":
		switch table {
		case "telephony.api_tokens":
			return nil
		case "connect_provider.lanes", "connect_provider.connections":
			return []string{"select", "insert", "update"}
		case "connect_provider.workers", "connect_provider.job_outcomes":
			return []string{"select", "insert", "update", "delete"}
		case "connect_provider.outbox", "connect_provider.purge_marks":
			return []string{"select", "insert", "delete"}
		case "connect_provider.inbox":
			return []string{"select", "insert", "update(decided_at)", "delete"}
		case "connect_provider.dead_letters":
			return []string{"select", "insert", "update(died_at)", "delete"}
		}
		return []string{"select"}
	case "operator":
		switch table {
		case "connect_provider.pauses", "telephony.api_tokens":
			return []string{"select", "insert", "delete"}
		case "connect_provider.lanes":
			return []string{"select", "update(skip_sequence)", "update(skip_reason)"}
		case "connect_provider.dead_letters":
			return []string{"select", "update(redrives)", "update(redriven_at)", "update(redriven_as)", "delete"}
		}
		fallthrough
	case "reader":
		if !platform || table != "telephony.api_tokens" {
			return []string{"select"}
		}
	}
	return nil
}

// trespass tries everything that a role must not do with tables, and returns
// what the server let it do.
func (b *bed) trespass(role string, tables ...string) []string {
	b.t.Helper()
	var done []string
	attempt := func(what, sql string) {
		if b.try(role, sql) == nil {
			done = append(done, role+": "+what)
		}
	}
	for _, table := range tables {
		allowed := may(role, table)
		for _, verb := range verbs {
			if slices.Contains(allowed, verb) {
				continue
			}
			if verb == "update" || verb == "select" {
				for _, column := range b.columns(table) {
					what := fmt.Sprintf("%s(%s)", verb, column)
					if !slices.Contains(allowed, what) {
						attempt(what+" "+table, map[string]string{
							"select": fmt.Sprintf("select %s from %s", column, table),
							"update": fmt.Sprintf("explain update %s set %s = null", table, column),
						}[verb])
					}
				}
				continue
			}
			attempt(verb+" "+table, map[string]string{
				"insert":     "explain insert into " + table + " default values",
				"delete":     "explain delete from " + table,
				"truncate":   asked(table, verb), // foreign keys would be in the way
				"references": asked(table, verb), // as would the want of a place for a table
				"trigger":    "create trigger planted before insert on " + table + " for each row execute function suppress_redundant_updates_trigger()",
			}[verb])
		}
	}
	return done
}

// asked has the server say whether it would let the role, and refuse.
func asked(table, verb string) string {
	return fmt.Sprintf("do $$ begin if not has_table_privilege('%s', '%s') then raise insufficient_privilege; end if; end $$", table, verb)
}

// climb tries what a role must not do with the schemas, the database and the
// other roles.
func (b *bed) climb(role string) []string {
	b.t.Helper()
	var done []string
	attempt := func(what, sql string) {
		if b.try(role, sql) == nil {
			done = append(done, role+": "+what)
		}
	}
	attempt("create in telephony", "create table telephony.planted ()")
	attempt("create in connect_provider", "create table connect_provider.planted ()")
	attempt("create a schema", "create schema planted")
	attempt("draw a number", "select nextval('connect_provider.schema_version_id_seq')")
	attempt("create a temporary table", "create temporary table planted ()")
	for _, other := range append([]string{"migrate"}, roles...) {
		if other != role && !(role == "operator" && other == "reader") {
			attempt("become "+other, "set role connect_provider_"+other)
		}
	}
	return done
}

func (b *bed) columns(table string) []string {
	b.t.Helper()
	rows, err := b.admin.Query(context.Background(), "select attname::text from pg_attribute where attrelid = $1::text::regclass and attnum > 0 and not attisdropped", table)
	if err != nil {
		b.t.Fatal(err)
	}
	columns, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(columns) == 0 {
		b.t.Fatalf("columns of %s: %v", table, err)
	}
	return columns
}

func TestRolesMayDoWhatTheyNeedAndNothingElse(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	rows, err := b.admin.Query(context.Background(), `select n.nspname || '.' || c.relname from pg_class c
		join pg_namespace n on n.oid = c.relnamespace
		where n.nspname in ('telephony', 'connect_provider') and c.relkind in ('r', 'p', 'v', 'm', 'f')`)
	if err != nil {
		t.Fatal(err)
	}
	there, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(there)
	if listed := slices.Sorted(slices.Values(tables)); !slices.Equal(there, listed) {
		t.Fatalf("the schemas have the tables %q; this test knows of %q", there, listed)
	}
	for _, n := range needs(t) {
		if err := b.met(n); err != nil {
			t.Errorf("%s: %v", n.name, err)
		}
	}
	for _, role := range roles {
		for _, done := range append(b.trespass(role, tables...), b.climb(role)...) {
			t.Errorf("allowed: %s", done)
		}
	}
}

// unmet returns the first need of a role that the server refuses.
func (b *bed) unmet(role string, all []need) error {
	for _, n := range all {
		if n.role == role {
			if err := b.met(n); err != nil {
				return err
			}
		}
	}
	return nil
}

// TestEachRightIsNeeded takes away one right at a time: a need must go unmet.
func TestEachRightIsNeeded(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	all := needs(t)
	for _, granted := range b.granted() {
		b.do(granted.revoke)
		if err := b.unmet(granted.role, all); err == nil {
			t.Errorf("nothing needs this right: %s", granted.grant)
		} else if !strings.Contains(err.Error(), "permission denied") {
			t.Error(err)
		}
		b.do(granted.grant)
	}
	b.do("revoke connect_provider_reader from connect_provider_operator")
	if b.unmet("operator", all) == nil {
		t.Error("nothing needs the operator to be a reader")
	}
}

// single is one privilege of one role, for one column where the grant is.
type single struct{ role, grant, revoke string }

// granted are the single privileges that the database holds for the roles.
func (b *bed) granted() []single {
	b.t.Helper()
	rows, err := b.admin.Query(context.Background(), `
		select replace(g.rolname, 'connect_provider_', ''), lower(privilege), object, g.rolname::text
		from (
		  select a.grantee, a.privilege_type, c.relnamespace::regnamespace || '.' || c.relname from pg_class c, aclexplode(c.relacl) a
		  union all
		  select a.grantee, a.privilege_type || ' (' || t.attname || ')', c.relnamespace::regnamespace || '.' || c.relname
		  from pg_class c join pg_attribute t on t.attrelid = c.oid, aclexplode(t.attacl) a
		  union all
		  select a.grantee, a.privilege_type, 'schema ' || n.nspname from pg_namespace n, aclexplode(n.nspacl) a where n.nspname in ('telephony', 'connect_provider')
		) as r(grantee, privilege, object)
		join pg_roles g on g.oid = r.grantee and g.rolname like 'connect\_provider\_%' and g.rolname <> 'connect_provider_migrate'
		order by 1, 3, 2`)
	if err != nil {
		b.t.Fatal(err)
	}
	var all []single
	var role, privilege, object, grantee string
	_, err = pgx.ForEachRow(rows, []any{&role, &privilege, &object, &grantee}, func() error {
		all = append(all, single{role, fmt.Sprintf("grant %s on %s to %s", privilege, object, grantee), fmt.Sprintf("revoke %s on %s from %s", privilege, object, grantee)})
		return nil
	})
	if err != nil || len(all) < 50 {
		b.t.Fatalf("%d rights, %v", len(all), err)
	}
	return all
}

// TestEachWiderRightIsNoticed grants one right too many at a time: what must be
// refused is not.
func TestEachWiderRightIsNoticed(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	for _, role := range roles {
		group := "connect_provider_" + role
		noticed := func(trespassed []string, what string) {
			if len(trespassed) == 0 {
				t.Errorf("not noticed: %s to %s", what, group)
			}
		}
		// the schema's door is a second one, and stands open meanwhile
		b.do("grant usage on schema telephony, connect_provider to " + group)
		for _, table := range tables {
			allowed := may(role, table)
			for _, verb := range verbs {
				if slices.Contains(allowed, verb) {
					continue
				}
				b.do(fmt.Sprintf("grant %s on %s to %s", verb, table, group))
				noticed(b.trespass(role, table), "grant "+verb+" on "+table)
				b.do(fmt.Sprintf("revoke %s on %s from %s", verb, table, group))
				for _, a := range allowed {
					if column, ok := strings.CutPrefix(a, verb+"("); ok { // went with the table's
						b.do(fmt.Sprintf("grant %s (%s on %s to %s", verb, column, table, group))
					}
				}
			}
		}
		if done := b.trespass(role, tables...); len(done) > 0 {
			t.Fatalf("after all was taken back: %q", done)
		}
		for _, wider := range []string{
			"create on schema telephony", "create on schema connect_provider",
			"create on database " + b.database(), "temporary on database " + b.database(), "connect_provider_migrate",
		} {
			b.do("grant " + wider + " to " + group)
			noticed(b.climb(role), "grant "+wider)
			b.do("revoke " + wider + " from " + group)
		}
		for _, other := range roles {
			if other != role && !(role == "operator" && other == "reader") && !(role == "reader" && other == "operator") {
				b.do("grant connect_provider_" + other + " to " + group)
				noticed(b.climb(role), "grant connect_provider_"+other)
				b.do("revoke connect_provider_" + other + " from " + group)
			}
		}
	}
}

// TestMigrationNeedsItsRole: without what roles.sql gives the migration's role
// there is no schema.
func TestMigrationNeedsItsRole(t *testing.T) {
	t.Parallel()
	b := newRoles(t)
	refused := func(take, give string) {
		t.Helper()
		b.do(take)
		if err := b.migrate(); err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("%s: %v", take, err)
		}
		b.do(give)
	}
	database := b.database()
	refused(fmt.Sprintf("revoke create on database %s from connect_provider_migrate", database), rolesSQL(t))
	refused(fmt.Sprintf("revoke connect on database %s from connect_provider_migrate", database), rolesSQL(t))
	if err := b.migrate(); err != nil {
		t.Error(err)
	}
	for _, role := range roles {
		b.do(fmt.Sprintf("revoke connect on database %s from connect_provider_%s", database, role))
		if role == "operator" { // it can as a reader
			b.do(fmt.Sprintf("revoke connect on database %s from connect_provider_reader", database))
		}
		if conn, err := pgx.Connect(context.Background(), b.url(role)); err == nil {
			t.Errorf("%s connects without the right to", role)
			_ = conn.Close(context.Background())
		}
		b.do(rolesSQL(t))
		b.connect(role)
	}
}
