package migrations

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"
)

//go:embed sql/*.sql
var files embed.FS

// versionTable records the migrations that were applied. It stands in the
// worker's own schema, so that the platform's goose, if it has one, does not
// meet it.
const versionTable = "connect_provider.schema_version"

// Version is the schema version that this binary needs: that of the newest
// embedded migration.
const Version = 4

// Up applies every migration that the database lacks. It takes an advisory
// lock first, so that several may run at once; each migration is one
// transaction, tried again where it meets a deadlock with workers that go on
// meanwhile, and those before a failing one stay applied. databaseURL is a
// PostgreSQL URL or key/value string whose role may create schemas.
func Up(ctx context.Context, databaseURL string) error {
	// the pool's own settings may stand in a URL that the worker uses too
	config, err := pgxpool.ParseConfig(databaseURL)
	if err != nil {
		return fmt.Errorf("database URL: %w", err)
	}
	db := stdlib.OpenDB(*config.ConnConfig)
	defer func() { _ = db.Close() }()
	if err := supportedServer(ctx, db); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, "create schema if not exists connect_provider"); err != nil && !isDuplicateSchema(err) {
		return fmt.Errorf("create schema connect_provider: %w", err)
	}
	scripts, err := fs.Sub(files, "sql")
	if err != nil {
		return err
	}
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return err
	}
	store, err := database.NewStore(database.DialectPostgres, versionTable)
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider("", db, scripts, goose.WithStore(store), goose.WithSessionLocker(locker))
	if err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		_, err := provider.Up(ctx)
		if err == nil {
			return nil
		}
		if !isDeadlock(err) || attempt == attempts {
			return fmt.Errorf("migrate: %w", err)
		}
	}
}

// attempts is how often a migration is tried. Workers lock the same tables, a
// batch at a time and in another order, so Postgres may choose the migration to
// be the one that gives way; it did nothing then.
const attempts = 10

func isDeadlock(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "40P01"
}

// isDuplicateSchema tells the one error that two first migrations at the same
// moment can give each other: "if not exists" is not atomic in PostgreSQL.
func isDuplicateSchema(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "42P06" || pg.Code == "23505")
}

func supportedServer(ctx context.Context, db *sql.DB) error {
	var number int
	var encoding string
	err := db.QueryRowContext(ctx, "select current_setting('server_version_num')::int, current_setting('server_encoding')").Scan(&number, &encoding)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if number < 140000 {
		return fmt.Errorf("PostgreSQL %d is too old: connect-provider needs 14 or newer", number/10000)
	}
	if encoding != "UTF8" {
		return fmt.Errorf("the database's encoding is %s, in which a command's text can't always be kept: make one with `create database … encoding 'UTF8' template template0`", encoding)
	}
	return nil
}

// Querier is what Check needs of a connection or a pool.
type Querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// ErrSchema says that the database is reachable but its schema does not fit
// this binary. No retry mends it.
var ErrSchema = errors.New("database schema does not fit this binary")

// Check tells whether the database's schema fits this binary: at least
// Version, and not one that has left binaries of this version behind. It
// returns an error that wraps ErrSchema where it does not, and the
// connection's own error where that cannot be known.
func Check(ctx context.Context, db Querier) error {
	var version int64
	var oldest int64
	err := db.QueryRow(ctx, `
		select (select coalesce(max(version_id), 0) from connect_provider.schema_version where is_applied),
		       (select oldest_binary from connect_provider.schema_compatibility)`).Scan(&version, &oldest)
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg) && (pg.Code == "42P01" || pg.Code == "3F000"):
		return fmt.Errorf("%w: it was never migrated; run: connect-provider migrate", ErrSchema)
	case err != nil:
		return err
	case version < Version:
		return fmt.Errorf("%w: it has version %d, this binary needs %d; run: connect-provider migrate", ErrSchema, version, Version)
	case oldest > Version:
		return fmt.Errorf("%w: it has version %d, which only binaries for schema %d or newer can use; this one is for %d: install the newer release", ErrSchema, version, oldest, Version)
	}
	return nil
}
