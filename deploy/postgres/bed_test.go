package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"connect-provider/deploy/demo"
	"connect-provider/deploy/migrations"
	"connect-provider/deploy/systemtest"
)

// bed is a database as an operator sets it up: roles.sql as superuser, a login
// for each role, and the migrations, with their grants, as the migration's.
type bed struct {
	t         testing.TB
	superuser string // URL
	admin     *pgx.Conn
	owner     *pgx.Conn
	sessions  map[string]*pgx.Conn // by role
}

// roles are the last words of the roles' names, migrate's left out.
var roles = []string{"worker", "gateway", "reader", "operator"}

func newBed(t testing.TB) *bed {
	t.Helper()
	b := newRoles(t)
	if err := b.migrate(); err != nil {
		t.Fatal(err)
	}
	b.owner = b.connect("migrate")
	if err := demo.Load(context.Background(), b.owner); err != nil {
		t.Fatal(err)
	}
	for _, role := range roles {
		b.sessions[role] = b.connect(role)
	}
	return b
}

// newRoles stops before the migrations. The server is the test's own, since
// roles belong to all of a server's databases.
func newRoles(t testing.TB) *bed {
	t.Helper()
	b := &bed{t: t, superuser: systemtest.PrivatePostgres(t).URL(), sessions: map[string]*pgx.Conn{}}
	b.admin = b.dial(b.superuser)
	b.do(rolesSQL(t))
	b.do(rolesSQL(t)) // any number of times
	b.do(fmt.Sprintf("revoke connect, temporary on database %s from public", b.database()))
	for _, role := range append(slices.Clone(roles), "migrate") {
		b.do(fmt.Sprintf("create role %[1]s login password '%[1]s' in role connect_provider_%[1]s", role))
	}
	b.do("alter role migrate set role = connect_provider_migrate")
	return b
}

func rolesSQL(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("roles.sql")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (b *bed) database() string {
	b.t.Helper()
	var name string
	if err := b.admin.QueryRow(context.Background(), "select quote_ident(current_database())").Scan(&name); err != nil {
		b.t.Fatal(err)
	}
	return name
}

// url is where a role logs in.
func (b *bed) url(role string) string {
	b.t.Helper()
	u, err := url.Parse(b.superuser)
	if err != nil {
		b.t.Fatal(err)
	}
	u.User = url.UserPassword(role, role)
	return u.String()
}

func (b *bed) connect(role string) *pgx.Conn {
	b.t.Helper()
	return b.dial(b.url(role))
}

func (b *bed) dial(url string) *pgx.Conn {
	b.t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// do runs statements as superuser.
func (b *bed) do(sql string) {
	b.t.Helper()
	if _, err := b.admin.Exec(context.Background(), sql); err != nil {
		b.t.Fatalf("%s: %v", sql, err)
	}
}

// migrate is what `connect-provider migrate` does.
func (b *bed) migrate() error {
	ctx := context.Background()
	if err := migrations.Up(ctx, b.url("migrate")); err != nil {
		return err
	}
	granted, err := b.grant()
	if err == nil && (len(granted.Roles) != len(roles) || len(granted.Missing) > 0) {
		err = fmt.Errorf("granted: %+v", granted)
	}
	return err
}

func (b *bed) grant() (migrations.Granted, error) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, b.url("migrate"))
	if err != nil {
		return migrations.Granted{}, err
	}
	defer func() { _ = conn.Close(ctx) }()
	return migrations.Grant(ctx, conn)
}

// try runs a statement as a role and takes it back. It returns the server's
// refusal for want of a right, or nil; another error is neither.
func (b *bed) try(role, sql string, args ...any) error {
	b.t.Helper()
	ctx := context.Background()
	tx, err := b.sessions[role].Begin(ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(ctx) }()
	_, err = tx.Exec(ctx, sql, args...)
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg) && pg.Code == "42501":
		return fmt.Errorf("%s: %w: %s", role, err, sql)
	case err != nil:
		b.t.Fatalf("%s: %v: %s", role, err, sql)
	}
	return nil
}
