package outbox

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"

	"connect-provider/messages"
)

// Row is an outcome event as it stands in the outbox table.
type Row struct {
	// Position is that of the command: its generation and stream sequence. It
	// orders a lane's rows and is their key.
	Position messages.Position
	// Subject is where the event is published.
	Subject string
	// Payload is the event as it goes over the wire.
	Payload []byte
}

//go:embed sql/append.sql
var appendSQL string

//go:embed sql/remove.sql
var removeSQL string

//go:embed sql/pending.sql
var pendingSQL string

// Statements returns the package's SQL, for a test that prepares each of them
// against the migrated schema.
func Statements() map[string]string {
	return map[string]string{
		"append": appendSQL, "remove": removeSQL, "pending": pendingSQL,
		"prune_inbox": pruneInboxSQL, "prune_jobs": pruneJobsSQL, "prune_dead_letters": pruneDeadLettersSQL,
	}
}

// Append queues the insert of rows into the outbox of a lane. It happens when,
// and only if, the caller's transaction commits.
func Append(batch *pgx.Batch, lane messages.Lane, rows []Row) {
	if len(rows) == 0 {
		return
	}
	generations := make([]int64, len(rows))
	sequences := make([]int64, len(rows))
	subjects := make([]string, len(rows))
	payloads := make([][]byte, len(rows))
	for i, row := range rows {
		generations[i], sequences[i] = row.Position.Generation, int64(row.Position.Sequence)
		subjects[i], payloads[i] = row.Subject, row.Payload
	}
	batch.Queue(appendSQL, lane.String(), generations, sequences, subjects, payloads)
}

// Remove queues the deletion of a lane's rows behind a position, up to which the
// caller knows that there are none, up to and including another. All of them must
// be in the events stream.
func Remove(batch *pgx.Batch, lane messages.Lane, behind, upTo messages.Position) {
	batch.Queue(removeSQL, lane.String(), behind.Generation, int64(behind.Sequence), upTo.Generation, int64(upTo.Sequence))
}

// Querier is what Pending needs of a connection, a pool or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Pending returns a lane's rows in order of position. A new owner calls it
// after its claim has committed: from then on no other worker can add any.
func Pending(ctx context.Context, db Querier, lane messages.Lane) ([]Row, error) {
	rows, err := db.Query(ctx, pendingSQL, lane.String())
	if err != nil {
		return nil, fmt.Errorf("read outbox: %w", err)
	}
	pending, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Row, error) {
		var r Row
		var sequence int64
		err := row.Scan(&r.Position.Generation, &sequence, &r.Subject, &r.Payload)
		r.Position.Sequence = uint64(sequence)
		return r, err
	})
	if err != nil {
		return nil, fmt.Errorf("read outbox: %w", err)
	}
	return pending, nil
}
