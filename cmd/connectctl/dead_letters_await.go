package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"connect-provider/messages"
	"connect-provider/worker"
)

// await tells what becomes of the commands that were accepted, as they are
// decided, and which of them are not within the wait.
func (r *redriveRun) await(ctx context.Context, wait time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	open := r.accepted
	var problem error
	for len(open) > 0 {
		var left []redriven
		if left, problem = r.look(ctx, open); problem == nil {
			open = left
		}
		if len(open) == 0 || pauseFor(ctx, lookEvery) != nil {
			break
		}
	}
	for _, one := range open {
		r.undecided++
		text := fmt.Sprintf("%s has no outcome within %s; it will be decided (%s dead-letters show %s)", one.letter.id(), wait, self(), one.letter.id())
		if problem != nil && ctx.Err() == nil {
			text += fmt.Sprintf(" (%v)", problem)
		}
		r.tell("undecided", "%s", text)
	}
}

// look tells the outcomes that there are, and returns the commands without one.
func (r *redriveRun) look(ctx context.Context, open []redriven) (left []redriven, err error) {
	n := len(open)
	lanes, sequences, tokens, keys := make([]string, n), make([]int64, n), make([]string, n), make([]string, n)
	partitions := map[messages.Class]int{}
	for i, one := range open {
		// the lane of today: there may have been another number of them then
		class := one.letter.lane.Class
		if _, known := partitions[class]; !known {
			all, err := worker.PartitionsOf(ctx, r.pool, class, "")
			if err != nil {
				return open, err
			}
			partitions[class] = len(all)
		}
		lanes[i] = messages.Lane{Class: class, Number: messages.Partition(one.letter.orgToken, partitions[class])}.String()
		sequences[i], tokens[i], keys[i] = int64(one.sequence), one.letter.orgToken, one.as
	}
	rows, err := r.pool.Query(ctx, statement("redrive_outcomes"), lanes, sequences, tokens, keys, r.since)
	if err != nil {
		return open, err
	}
	type outcome struct {
		Place         int
		Code, Message string
		Repeat        bool
	}
	outcomes, err := pgx.CollectRows(rows, pgx.RowToStructByPos[outcome])
	if err != nil {
		return open, err
	}
	decided := map[int]bool{}
	for _, o := range outcomes {
		decided[o.Place-1] = true
		repeat := ""
		if o.Repeat {
			repeat = " (decided before, nothing was done now)"
		}
		id := open[o.Place-1].letter.id()
		if o.Code == "" {
			r.tell("connected", "%s%s", id, repeat)
			continue
		}
		r.failed++
		r.tell("failed", "%s: %s: %s%s", id, o.Code, line(shownText(o.Message, r.command.Reveal)), repeat)
	}
	for i, one := range open {
		if !decided[i] {
			left = append(left, one)
		}
	}
	return left, nil
}
