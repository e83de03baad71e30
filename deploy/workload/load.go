package workload

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

//go:embed sql/organizations.sql
var organizationsSQL string

//go:embed sql/numbers.sql
var numbersSQL string

// Database is a connection, or a pool of them; not a transaction, in which
// nothing can be vacuumed.
type Database interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// numbersAtOnce bounds what Postgres holds in memory to check foreign keys.
const numbersAtOnce = 500_000

// Load writes the platform's rows of all commands in a migrated database, and
// brings its statistics up to date, as autovacuum would do later. None of them may
// exist. After an error a part may; Remove removes that.
func (w Workload) Load(ctx context.Context, db Database) error {
	if err := w.Validate(); err != nil {
		return err
	}
	handles := w.handles()
	if _, err := db.Exec(ctx, organizationsSQL, handles, w.Bridges); err != nil {
		return fmt.Errorf("load the workload's organizations: %w", err)
	}
	for first := 0; first < w.Commands(); first += numbersAtOnce {
		if _, err := db.Exec(ctx, numbersSQL, w.Numbering, handles, first, min(first+numbersAtOnce, w.Commands())); err != nil {
			return fmt.Errorf("load the workload's numbers: %w", err)
		}
	}
	_, err := db.Exec(ctx, "vacuum analyze telephony.organizations, telephony.bridges, telephony.provider_configurations, telephony.phone_numbers")
	return err
}
