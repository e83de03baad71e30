package status

import (
	"context"
	_ "embed"
	"time"

	"github.com/jackc/pgx/v5"

	"connect-provider/messages"
)

//go:embed sql/workers.sql
var workersSQL string

//go:embed sql/pauses.sql
var pausesSQL string

//go:embed sql/dead_letters.sql
var deadLettersSQL string

// Worker is a worker that was seen within a day and did not end in an orderly
// way.
type Worker struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Version     string    `json:"version"`
	StartedAt   time.Time `json:"started_at"`
	SeenAt      time.Time `json:"seen_at"`
	SeenSeconds float64   `json:"seen_seconds_ago"`
	// Live is false for one that was killed, or has lost NATS or the database.
	Live bool `json:"live"`
	// Lanes are those whose lease it holds.
	Lanes []string `json:"lanes"`
}

func readWorkers(ctx context.Context, tx pgx.Tx) ([]Worker, error) {
	rows, err := tx.Query(ctx, workersSQL)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (w Worker, err error) {
		err = row.Scan(&w.ID, &w.Name, &w.Version, &w.StartedAt, &w.SeenAt, &w.SeenSeconds, &w.Live)
		w.StartedAt, w.SeenAt, w.Lanes = w.StartedAt.UTC(), w.SeenAt.UTC(), []string{}
		return w, err
	})
}

// Pause is what an operator has stopped.
type Pause struct {
	Class string `json:"class"`
	// Organization is the handle of the one that is paused, nil for the whole
	// class.
	Organization *string   `json:"organization"`
	Since        time.Time `json:"since"`
	Seconds      float64   `json:"seconds"`
	Reason       string    `json:"reason"`

	class messages.Class
	token string
}

func readPauses(ctx context.Context, tx pgx.Tx) ([]Pause, error) {
	rows, err := tx.Query(ctx, pausesSQL)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (p Pause, err error) {
		var class string
		if err := row.Scan(&class, &p.token, &p.Reason, &p.Since, &p.Seconds); err != nil {
			return p, err
		}
		p.class, p.Since = messages.Class(class[0]), p.Since.UTC()
		p.Class = p.class.String()
		if p.token != "" {
			handle := handleOf(p.token)
			p.Organization = &handle
		}
		return p, nil
	})
}

// handleOf names an organization by its handle, or by its token where that is
// no handle's.
func handleOf(token string) string {
	if o := messages.OrganizationFromKey(token); o.Canonical() {
		return o.Handle
	}
	return token
}

// pausesOf returns the pauses that concern a lane: of its class, and of
// organizations whose commands stand in it.
func pausesOf(lane messages.Lane, lanes int, pauses []Pause) []Pause {
	concerned := []Pause{}
	for _, p := range pauses {
		if p.class == lane.Class && (p.token == "" || messages.Partition(p.token, lanes) == lane.Number) {
			concerned = append(concerned, p)
		}
	}
	return concerned
}

// DeadLetterCounts tell how many dead letters there are.
type DeadLetterCounts struct {
	Open     int64 `json:"open"`
	Redriven int64 `json:"redriven"`
	// OldestOpen is when the oldest that was not published again came in, nil
	// without one.
	OldestOpen *time.Time      `json:"oldest_open"`
	Codes      []DeadLettersOf `json:"codes"`
}

// DeadLettersOf are the dead letters of one code.
type DeadLettersOf struct {
	Code       string     `json:"code"`
	Open       int64      `json:"open"`
	Redriven   int64      `json:"redriven"`
	OldestOpen *time.Time `json:"oldest_open"`
}

func countDeadLetters(ctx context.Context, tx pgx.Tx) (*DeadLetterCounts, error) {
	rows, err := tx.Query(ctx, deadLettersSQL)
	if err != nil {
		return nil, err
	}
	counts := &DeadLetterCounts{}
	counts.Codes, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (c DeadLettersOf, err error) {
		err = row.Scan(&c.Code, &c.Open, &c.Redriven, &c.OldestOpen)
		c.OldestOpen = utc(c.OldestOpen)
		counts.Open, counts.Redriven = counts.Open+c.Open, counts.Redriven+c.Redriven
		if c.OldestOpen != nil && (counts.OldestOpen == nil || c.OldestOpen.Before(*counts.OldestOpen)) {
			counts.OldestOpen = c.OldestOpen
		}
		return c, err
	})
	return counts, err
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}
