package worker

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"

	"connect-provider/messages"
)

//go:embed sql/pause.sql
var pauseSQL string

//go:embed sql/resume.sql
var resumeSQL string

//go:embed sql/pauses.sql
var pausesSQL string

//go:embed sql/count_lanes.sql
var countLanesSQL string

// Pause is what an operator has stopped: while it stands, none of its commands
// is decided. They wait in their stream, and with them, since order is kept,
// whatever stands behind them in their lane.
type Pause struct {
	Class messages.Class
	// OrgToken is the organization's token as in subjects, empty for the whole class.
	OrgToken string
	// Reason is the operator's, never empty.
	Reason string
	// Since is by the database's clock.
	Since time.Time
}

// Subject says what is paused, for people.
func (p Pause) Subject() string {
	if p.OrgToken == "" {
		return fmt.Sprintf("class %s", p.Class)
	}
	return fmt.Sprintf("organization %s in class %s", p.OrgToken, p.Class)
}

// Pauses returns all that is paused.
func Pauses(ctx context.Context, pool *pgxpool.Pool) ([]Pause, error) {
	rows, err := pool.Query(ctx, pausesSQL)
	if err != nil {
		return nil, fmt.Errorf("pauses: %w", err)
	}
	pauses, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p Pause, err error) {
		var letter string
		if err = row.Scan(&letter, &p.OrgToken, &p.Reason, &p.Since); err == nil {
			p.Class = messages.Class(letter[0])
		}
		return p, err
	})
	if err != nil {
		return nil, fmt.Errorf("pauses: %w", err)
	}
	return pauses, nil
}

// SetPause writes a pause down, unless there is one for the same already, and
// waits for the batches that may not have seen it: when it returns nil, nothing
// of what is paused is decided until EndPause. It returns whether the pause is
// new. If it returns true and an error, the pause stands and a batch that began
// before it may still commit.
func SetPause(ctx context.Context, pool *pgxpool.Pool, p Pause) (set bool, err error) {
	err = pool.QueryRow(ctx, pauseSQL, p.Class.Letter(), p.OrgToken, p.Reason).Scan(&p.Since)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return false, fmt.Errorf("pause %s: %w", p.Subject(), err)
	}
	set = err == nil
	partitions, err := PartitionsOf(ctx, pool, p.Class, p.OrgToken)
	if err != nil {
		return set, err
	}
	for _, partition := range partitions {
		// a batch holds this lock from before it reads the pauses until it has
		// committed; a statement by itself gives it back at once
		if _, err := pool.Exec(ctx, lockSQL, partition); err != nil {
			return set, fmt.Errorf("the batch at work in lane %s: %w", messages.Lane{Class: p.Class, Number: partition}, err)
		}
	}
	return set, nil
}

// PartitionsOf returns the numbers of the lanes in which a class has the
// commands of an organization's token; all of them if it is empty, none before
// the class's first worker.
func PartitionsOf(ctx context.Context, pool *pgxpool.Pool, class messages.Class, orgToken string) ([]int, error) {
	var lanes int
	if err := pool.QueryRow(ctx, countLanesSQL, class.Letter()).Scan(&lanes); err != nil {
		return nil, fmt.Errorf("lanes of class %s: %w", class, err)
	}
	if orgToken != "" && lanes > 0 {
		return []int{messages.Partition(orgToken, lanes)}, nil
	}
	partitions := make([]int, lanes)
	for i := range partitions {
		partitions[i] = i
	}
	return partitions, nil
}

// EndPause removes a pause and returns it, nil if there was none. Lanes notice
// within a second, or at once where Nudge tells them.
func EndPause(ctx context.Context, pool *pgxpool.Pool, class messages.Class, orgToken string) (*Pause, error) {
	p := &Pause{Class: class, OrgToken: orgToken}
	err := pool.QueryRow(ctx, resumeSQL, class.Letter(), orgToken).Scan(&p.Reason, &p.Since)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("resume %s: %w", p.Subject(), err)
	}
	return p, nil
}

// Nudge has all workers look at once for what they would else find within
// seconds: lanes that were released, pauses that have ended, a command to be
// skipped. It needs the right to publish to telephony.workers.
func Nudge(nc *nats.Conn) error {
	if err := nc.Publish(workersSubject, nil); err != nil {
		return err
	}
	return nc.Flush()
}
