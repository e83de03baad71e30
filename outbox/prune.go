package outbox

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

//go:embed sql/prune_inbox.sql
var pruneInboxSQL string

//go:embed sql/prune_jobs.sql
var pruneJobsSQL string

//go:embed sql/prune_dead_letters.sql
var pruneDeadLettersSQL string

// Execer is what Prune needs of a pool: each call its own transaction.
type Execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// Prune deletes inbox rows decided longer ago than inboxRetention, the counts of
// jobs that have had no outcome since, and dead
// letters older than deadLetterRetention, by the database's clock, 10,000 in
// a transaction, and returns how many inbox rows and dead letters are gone. When it returns an
// error, what it had deleted before stays deleted. A command whose inbox row
// is gone would be decided anew if it were published again: the retention is
// how long a producer may retry.
func Prune(ctx context.Context, db Execer, inboxRetention, deadLetterRetention time.Duration) (inbox, deadLetters int64, err error) {
	if inbox, err = pruneAll(ctx, db, pruneInboxSQL, inboxRetention); err != nil {
		return inbox, 0, fmt.Errorf("prune inbox: %w", err)
	}
	if _, err = pruneAll(ctx, db, pruneJobsSQL, inboxRetention); err != nil {
		return inbox, 0, fmt.Errorf("prune jobs: %w", err)
	}
	if deadLetters, err = pruneAll(ctx, db, pruneDeadLettersSQL, deadLetterRetention); err != nil {
		return inbox, deadLetters, fmt.Errorf("prune dead letters: %w", err)
	}
	return inbox, deadLetters, nil
}

func pruneAll(ctx context.Context, db Execer, sql string, retention time.Duration) (total int64, err error) {
	for {
		tag, err := db.Exec(ctx, sql, retention.Seconds())
		if err != nil {
			return total, err
		}
		if tag.RowsAffected() == 0 {
			return total, nil
		}
		total += tag.RowsAffected()
	}
}
