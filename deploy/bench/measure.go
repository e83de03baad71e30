package main

import (
	"context"
	"errors"
	"time"

	"connect-provider/deploy/bench/bed"
	"connect-provider/deploy/bench/design"
	"connect-provider/deploy/workload"
	"connect-provider/messages"
)

// measured is what one design took once.
type measured struct {
	took  time.Duration
	usage bed.Usage
}

func (m measured) rate(commands int) float64 { return float64(commands) / m.took.Seconds() }

// measure has a design decide n commands on servers of its own. The clock runs
// from the beginning of its work until all events are in the stream; the rows
// are counted afterwards.
func measure(ctx context.Context, d design.Design, n int) (m measured, err error) {
	b, err := bed.Start(ctx, messages.StreamOptions{})
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	task := design.Task{Bed: b, Workload: workload.Hundred(), Commands: n}
	if err := task.Workload.Load(ctx, b.Pool); err != nil {
		return m, err
	}
	if !d.Unread {
		if err := task.Workload.Publish(ctx, b.NC, 0, n); err != nil {
			return m, err
		}
	}
	work, err := d.Prepare(ctx, task)
	if err != nil {
		return m, err
	}
	if m, err = clock(ctx, b, work, n); err != nil {
		return m, err
	}
	return m, errors.Join(task.Workload.Check(ctx, b.Pool, n), b.DemandEvents(ctx, n))
}

// clock takes the time of the work until the stream has had so many events, and ends it.
func clock(ctx context.Context, b *bed.Bed, work func(context.Context) error, events int) (m measured, err error) {
	before, err := b.Usage()
	if err != nil {
		return m, err
	}
	start := time.Now()
	err = whileWorking(ctx, work, func(ctx context.Context) error {
		err := b.AwaitEvents(ctx, events)
		m.took = time.Since(start)
		after, usageErr := b.Usage()
		m.usage = after.Minus(before)
		return errors.Join(err, usageErr)
	})
	return m, err
}

// whileWorking calls f while work is done, whose context ends with f. The context of
// f ends when the work fails.
func whileWorking(ctx context.Context, work, f func(context.Context) error) error {
	working, stop := context.WithCancel(ctx)
	defer stop()
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	ended := make(chan error, 1)
	go func() {
		err := work(working)
		if err != nil {
			giveUp(err)
		}
		ended <- err
	}()
	err := f(ctx)
	stop()
	return errors.Join(err, <-ended)
}
