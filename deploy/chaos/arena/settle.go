package arena

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"connect-provider/deploy/chaos/judge"
	"connect-provider/messages"
)

// settleLimit is how long everything may take to be decided and told after the
// last attack is over.
const settleLimit = 60 * time.Second

// settle waits until all that was accepted is decided and told, and all workers
// work, each with its share of the lanes. What is not so in time is a finding.
func (a *Arena) settle(ctx context.Context) (time.Duration, []judge.Finding) {
	began := time.Now()
	var last error
	for {
		if last = a.settled(ctx); last == nil {
			return time.Since(began), nil
		}
		if time.Since(began) > settleLimit {
			return time.Since(began), []judge.Finding{{Kind: judge.Unsettled, Text: fmt.Sprintf("%s after the last attack: %v", settleLimit, last)}}
		}
		if Rest(ctx, 50*time.Millisecond) != nil {
			return time.Since(began), nil
		}
	}
}

// settled tells what is not finished.
func (a *Arena) settled(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for _, l := range a.archive.logs {
		if err := a.archive.complete(ctx, l); err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
	}
	conn, err := a.Database.Connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	if err := a.passed(ctx, conn); err != nil {
		return err
	}
	var outbox int
	if err := conn.QueryRow(ctx, `select count(*) from connect_provider.outbox`).Scan(&outbox); err != nil {
		return err
	}
	if outbox > 0 {
		return fmt.Errorf("%d events in the outbox", outbox)
	}
	if err := a.readers(ctx); err != nil {
		return err
	}
	// what was published while the tables were read is read now
	return a.archive.complete(ctx, a.archive.logs[messages.EventsStream])
}

// passed tells which lane has not come to its end, or has no owner.
func (a *Arena) passed(ctx context.Context, conn *pgx.Conn) error {
	last, created := a.archive.last()
	rows, err := conn.Query(ctx, `select lane, stream_created, cursor, coalesce(lease_expires_at > clock_timestamp(), false), coalesce(held_error, '') from connect_provider.lanes`)
	if err != nil {
		return err
	}
	var problems []error
	var name, held string
	var at, cursor int64
	var owned bool
	lanes := 0
	_, err = pgx.ForEachRow(rows, []any{&name, &at, &cursor, &owned, &held}, func() error {
		lanes++
		lane, err := messages.ParseLane(name)
		if err != nil {
			return err
		}
		switch want, due := last[lane]; {
		case held != "":
			problems = append(problems, fmt.Errorf("lane %s is held: %s", lane, held))
		case due && at != created[lane.Class].UnixNano():
			problems = append(problems, fmt.Errorf("lane %s has not begun with its stream, which has %d messages", lane, want))
		case due && uint64(cursor) < want:
			problems = append(problems, fmt.Errorf("lane %s has come to message %d of %d", lane, cursor, want))
		case !owned:
			problems = append(problems, fmt.Errorf("lane %s has no owner", lane))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := a.shares(ctx, conn); err != nil {
		problems = append(problems, err)
	}
	if want := 2 * a.options.Lanes; lanes != want {
		problems = append(problems, fmt.Errorf("%d lanes are recorded, of %d", lanes, want))
	}
	return errors.Join(problems...)
}

// shares tells who does not work: every worker lives, none that has ended has a
// lane, and no one has more than its share.
func (a *Arena) shares(ctx context.Context, conn *pgx.Conn) error {
	var live, most, stray int
	err := conn.QueryRow(ctx, `
		with live as (select worker from connect_provider.workers where expires_at > clock_timestamp()),
		     shares as (select class, owner, count(*) as n from connect_provider.lanes group by class, owner)
		select (select count(*) from live), coalesce(max(n), 0), coalesce(sum(n) filter (where owner is null or owner not in (select worker from live)), 0)
		from shares`).Scan(&live, &most, &stray)
	share := (a.options.Lanes + len(a.Workers) - 1) / len(a.Workers)
	if err == nil && (live != len(a.Workers) || stray > 0 || most > share) {
		err = fmt.Errorf("%d workers count as live, of %d; %d lanes have an owner that does not; one has %d lanes of a class, a share is %d", live, len(a.Workers), stray, most, share)
	}
	return err
}

// readers tells which lane is read by two workers: one of them is a former owner
// that has not noticed. A consumer that nobody asks for more is only a remnant.
func (a *Arena) readers(ctx context.Context) error {
	var problems []error
	for _, class := range messages.Classes() {
		stream, err := a.Broker.JS.Stream(ctx, class.Stream())
		if err != nil {
			return err
		}
		reading := map[string]int{}
		consumers := stream.ListConsumers(ctx)
		for info := range consumers.Info() {
			if lane, ok := strings.CutPrefix(info.Name, "lane-"); ok && info.NumWaiting > 0 {
				lane, _, _ = strings.Cut(lane, "-")
				reading[lane]++
			}
		}
		if err := consumers.Err(); err != nil {
			return err
		}
		for lane, n := range reading {
			if n > 1 {
				problems = append(problems, fmt.Errorf("lane %s is read %d times: a former owner has not noticed", lane, n))
			}
		}
	}
	return errors.Join(problems...)
}
