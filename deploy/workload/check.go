package workload

import (
	"context"
	_ "embed"
	"fmt"
)

//go:embed sql/count.sql
var countSQL string

// Check returns an error unless the database holds what n decided commands leave
// in it: an inbox row for each, a connection for each that was to succeed, and
// the failure that was to be for the others. They must be the first n, or n that
// follow each other from a multiple of UnknownEvery on. Reads all rows of the
// organizations.
func (w Workload) Check(ctx context.Context, db Database, n int) error {
	var connections, decided, unknown int
	if err := db.QueryRow(ctx, countSQL, w.handles()).Scan(&connections, &decided, &unknown); err != nil {
		return fmt.Errorf("count what came of the workload: %w", err)
	}
	if wanted := w.Unknown(n); decided != n || connections != n-wanted || unknown != wanted {
		return fmt.Errorf("the workload left %d connections, %d inbox rows and %d unknown bridges; want %d, %d and %d",
			connections, decided, unknown, n-wanted, n, wanted)
	}
	return nil
}
