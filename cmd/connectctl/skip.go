package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"connect-provider/cmd/internal/connection"
	"connect-provider/cmd/internal/program"
	"connect-provider/messages"
)

// lookEvery is the pause between two looks into the database.
const lookEvery = 200 * time.Millisecond

type skipCommand struct {
	Lane     string              `required:"" placeholder:"LANE" help:"The held lane, such as c7."`
	Sequence int64               `required:"" placeholder:"N" help:"Stream sequence of the command at which it is held."`
	Reason   string              `required:"" placeholder:"TEXT" help:"Why, for the command's dead letter."`
	Wait     time.Duration       `default:"30s" placeholder:"DURATION" help:"Longest wait until it has taken effect, 0 for none (default 30s)."`
	Database connection.Database `embed:""`
	NATS     natsSettings        `embed:""`
	Log      program.Log         `embed:""`
}

func (c *skipCommand) log() program.Log { return c.Log }

func (c *skipCommand) problems(secrets *program.Secrets) []error {
	problems := append(c.Database.Resolve(secrets), c.NATS.problems(secrets)...)
	if _, err := messages.ParseLane(c.Lane); err != nil {
		problems = append(problems, fmt.Errorf("--lane: %w", err))
	}
	if c.Sequence <= 0 {
		problems = append(problems, fmt.Errorf("--sequence %d: give the sequence at which the lane is held", c.Sequence))
	}
	if strings.TrimSpace(c.Reason) == "" {
		problems = append(problems, errors.New("--reason is empty: say why, for the command's dead letter"))
	}
	if c.Wait < 0 {
		problems = append(problems, fmt.Errorf("--wait %s: give 0 or more", c.Wait))
	}
	return problems
}

// run asks the lane's owner to give the command up, and waits until it has.
func (c *skipCommand) run(ctx context.Context, p process) error {
	pool, err := openDatabase(ctx, &c.Database)
	if err != nil {
		return err
	}
	defer pool.Close()
	held, err := readLane(ctx, pool, c.Lane)
	if err != nil {
		return err
	}
	var asked time.Time
	err = pool.QueryRow(ctx, statement("skip"), c.Lane, c.Sequence, c.Reason).Scan(&asked)
	if errors.Is(err, pgx.ErrNoRows) {
		return c.notHeldThere(held)
	}
	if err != nil {
		return fmt.Errorf("skip sequence %d of lane %s: %w", c.Sequence, c.Lane, err)
	}
	fmt.Fprintf(p.stdout, "%-10s lane %s to give up sequence %d, at which %s\n", "asked", c.Lane, c.Sequence, held.why())
	nudge(&c.NATS, p, "within seconds")
	if c.Wait == 0 {
		return nil
	}
	return c.await(ctx, p, pool, held, asked)
}

// await looks until the lane has passed the command, and tells what became of it.
func (c *skipCommand) await(ctx context.Context, p process, pool *pgxpool.Pool, held laneState, asked time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, c.Wait)
	defer cancel()
	for {
		now, err := readLane(ctx, pool, c.Lane)
		if err == nil && (now.generation != held.generation || now.cursor >= c.Sequence) {
			return c.tellOutcome(ctx, p, pool, held, asked)
		}
		if err == nil {
			held = now
		}
		if waitErr := pauseFor(ctx, lookEvery); waitErr != nil {
			fmt.Fprintf(p.stdout, "%-10s lane %s has not passed sequence %d within %s: %s. What was asked stands, and takes effect when it can\n",
				"undecided", c.Lane, c.Sequence, c.Wait, held.doing())
			return program.Quiet(exitUndecided)
		}
	}
}

func (c *skipCommand) tellOutcome(ctx context.Context, p process, pool *pgxpool.Pool, held laneState, asked time.Time) error {
	var code string
	err := pool.QueryRow(ctx, statement("skipped"), c.Lane, held.streamCreated, c.Sequence, asked).Scan(&code)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("outcome of sequence %d of lane %s: %w", c.Sequence, c.Lane, err)
	}
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		fmt.Fprintf(p.stdout, "%-10s lane %s has passed sequence %d without deciding it: it repeats a decided command, or the stream was replaced\n", "gone", c.Lane, c.Sequence)
		return nil
	case code != string(messages.InternalError):
		outcome := "connected"
		if code != "" {
			outcome = "failed with " + code
		}
		fmt.Fprintf(p.stdout, "%-10s sequence %d of lane %s %s: what kept it was mended before the skip took effect\n", "decided", c.Sequence, c.Lane, outcome)
		return nil
	}
	id := letterID{generation: held.generation, sequence: c.Sequence}
	id.lane, _ = messages.ParseLane(c.Lane)
	fmt.Fprintf(p.stdout, "%-10s sequence %d of lane %s failed with %s; its bytes are kept as dead letter %s (%s dead-letters show %s)\n", "skipped", c.Sequence, c.Lane, code, id, self(), id)
	return nil
}

// notHeldThere says what a lane does that is not held at the sequence given,
// and what to do.
func (c *skipCommand) notHeldThere(is laneState) error {
	switch {
	case !is.heldSince.IsZero():
		return fmt.Errorf("lane %s is not held at sequence %d but %s; nothing was skipped, give --sequence %d if that one is meant", c.Lane, c.Sequence, is.doing(), is.heldSequence)
	case is.cursor >= c.Sequence:
		return fmt.Errorf("lane %s is not held and has passed sequence %d: %s; nothing is to be skipped", c.Lane, c.Sequence, is.doing())
	}
	return fmt.Errorf("lane %s is not held: %s; nothing was skipped. A lane says that it is held about a minute after the first failure; what keeps it until then is in its worker's log", c.Lane, is.doing())
}

// laneState is what a lane is doing.
type laneState struct {
	streamCreated, generation, cursor int64
	heldSince                         time.Time
	heldSequence                      int64
	heldError                         string
	leased                            bool
	worker                            string
}

func readLane(ctx context.Context, pool *pgxpool.Pool, lane string) (laneState, error) {
	var s laneState
	var since *time.Time
	err := pool.QueryRow(ctx, statement("lane_state"), lane).Scan(&s.streamCreated, &s.generation, &s.cursor, &since, &s.heldSequence, &s.heldError, &s.leased, &s.worker)
	if errors.Is(err, pgx.ErrNoRows) {
		return s, fmt.Errorf("there is no lane %s: no worker has recorded one", lane)
	}
	if err != nil {
		return s, fmt.Errorf("lane %s: %w", lane, err)
	}
	if since != nil {
		s.heldSince = *since
	}
	return s, nil
}

// why says since when and for what reason the lane is held.
func (s laneState) why() string {
	return fmt.Sprintf("it is held since %s: %s", moment(s.heldSince), maskText(s.heldError))
}

func (s laneState) doing() string {
	owner := "no worker has it"
	if s.leased {
		owner = "worker " + printable(s.worker) + " has it"
	}
	if s.heldSince.IsZero() {
		return fmt.Sprintf("its cursor is at %d, and %s", s.cursor, owner)
	}
	return fmt.Sprintf("at %d, where %s; %s", s.heldSequence, s.why(), owner)
}

// pauseFor waits, or returns the error with which ctx has ended.
func pauseFor(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
