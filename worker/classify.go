package worker

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"connect-provider/deploy/migrations"
	"connect-provider/outbox"
)

// class is what a lane does about an error of one of its batches.
type class int

const (
	// classRetry: the same batch again, with backoff, without limit.
	classRetry class = iota
	// classAgain: the same batch again, soon: others wrote at the same time.
	classAgain
	// classDoubt: COMMIT was sent and not answered: find out first.
	classDoubt
	// classData: something in the batch can't be written or decided: isolate it.
	classData
	// classOperator: retry with backoff, and say what a person must do.
	classOperator
	// classLost: drop the lane and all that is known of it.
	classLost
	// classStopped: the program ends.
	classStopped
	// classPlatform: as classUnknown, and say that the platform's side of the
	// database needs mending.
	classPlatform
	// classUnknown: retry; isolate after a while, then hold the lane.
	classUnknown
	// classPaused: an operator has stopped this; wait for another word. It is no
	// failure, and not counted as one.
	classPaused
)

// String names the class in logs and metrics.
func (c class) String() string {
	return [...]string{"unavailable", "conflict", "commit_in_doubt", "data", "operator", "lost", "stopped", "platform", "unknown", "paused"}[c]
}

// narrowed tells whether an error of this class, if it lasts while others
// commit, is followed to the command that has it, at which the lane is then
// held. A conflict is among them: to decide again is right as long as another
// transaction caused it, and after a minute none can have.
func (c class) narrowed() bool { return c == classUnknown || c == classPlatform || c == classAgain }

// errInDoubt says that COMMIT was sent and its reply never came.
var errInDoubt = errors.New("commit in doubt")

// panicError is a panic in the pure part of a batch.
type panicError struct{ value any }

func (p *panicError) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// classify is the one place that decides what an error means. Each branch
// carries its reason.
func classify(ctx context.Context, err error) class {
	var pg *pgconn.PgError
	var panicked *panicError
	var paused *pausedError
	switch {
	case ctx.Err() != nil:
		return classStopped
	case errors.Is(err, outbox.ErrLost):
		// the compare-and-set found another owner, cursor or database
		return classLost
	case errors.As(err, &paused):
		return classPaused
	case errors.Is(err, errInDoubt):
		return classDoubt
	case errors.Is(err, errDecideAgain):
		return classAgain
	case errors.As(err, &panicked):
		// deciding is pure: the same input panics again
		return classData
	case errors.Is(err, migrations.ErrSchema):
		return classOperator
	case errors.As(err, &pg):
		c := classifySQLState(pg.Code)
		if c == classData && errors.Is(err, errLoading) {
			// Nothing of a command can fail while it is compared with stored rows:
			// its strings are UTF-8 without NUL (as the database), its numbers fit. So a value that
			// can't be cast or divided by stands on the platform's side, where
			// schema telephony may be views, and whoever asks about it next fails
			// as well: failing commands for it would lose them one by one. It is
			// the operator's to mend. Unlike a missing right it may concern a
			// single row, so the lane is not stopped before that command.
			return classPlatform
		}
		return c
	case pgconn.Timeout(err), pgconn.SafeToRetry(err):
		return classRetry
	default:
		// not an answer of the server, so the connection broke: nothing was
		// committed, COMMIT has its own error
		return classifyConnection(err)
	}
}

func classifyConnection(err error) class {
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) || isNetwork(err) {
		return classRetry
	}
	return classUnknown
}

func classifySQLState(state string) class {
	switch state {
	case "23505", // somebody else wrote that row first: load it and decide again
		"40001", "40P01": // serialization failure, deadlock: the other one went through
		return classAgain
	case "42P01", "42703", "3F000", "42883": // table, column, schema or function missing: not migrated
		return classOperator
	case "42501": // permission denied
		return classOperator
	case "25006": // read-only: connected to a standby, or a failover is under way
		return classRetry
	case "26000", "42P05", "0A000": // statement cache out of step: a pooler, or a migration changed a table
		return classRetry
	case "3D000": // the database does not exist (now: it may be being restored)
		return classOperator
	}
	switch state[:2] {
	case "22", "23": // a value or a constraint: this batch can't be written as it is
		return classData
	case "08", // connection exception
		"53", // out of memory, disk or connections
		"55", // object in use, lock not available
		"57", // shutting down, starting up, cancelled, timed out
		"58", // I/O error, the server's system
		"25": // the transaction ended under us (idle in transaction time-out, after a pause)
		return classRetry
	case "28": // refused to let us in
		return classOperator
	}
	return classUnknown
}
