package demo

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

//go:embed organizations.sql
var organizationsSQL string

// Database is what loading needs of a connection or a pool.
type Database interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// Load makes the organizations acme, globex and example.com with all that is
// theirs, in a migrated database. What exists already is left as it is, so it
// may run any number of times.
func Load(ctx context.Context, db Database) error {
	if _, err := db.Exec(ctx, organizationsSQL); err != nil {
		return fmt.Errorf("load demo data: %w", err)
	}
	return nil
}
