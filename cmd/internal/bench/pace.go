package bench

import (
	"context"
	"time"
)

// pace is when commands are to be sent: the first one at start, then one after
// another, each the same time behind the one before. That time does not depend on
// how the system answers.
type pace struct {
	start time.Time
	every time.Duration
	// sleep is sleepUntil; tests of it put another clock here.
	sleep func(ctx context.Context, at time.Time) error
}

func paceOf(start time.Time, perSecond int) pace {
	return pace{start: start, every: time.Second / time.Duration(perSecond), sleep: sleepUntil}
}

// intended is when command n is to be sent. Its latency counts from then: a
// system that makes its senders wait, so that the commands which would have met
// it at its slowest are sent later, is charged for that (coordinated omission).
func (p pace) intended(n int) time.Time { return p.start.Add(time.Duration(n) * p.every) }

// send sends count commands, each at its time, or as soon as the one before has
// let go of the sender. It ends with the first error, or with the context's.
func (p pace) send(ctx context.Context, count int, one func(n int) error) error {
	for n := range count {
		if err := p.sleep(ctx, p.intended(n)); err != nil {
			return err
		}
		if err := one(n); err != nil {
			return err
		}
	}
	return nil
}

// answers sends count commands and waits for the outcome of each, whose latency
// counts from when the command was to be sent. next returns the outcome that comes
// next, in whatever order they do.
func (p pace) answers(ctx context.Context, count int, one func(n int) error, next func(ctx context.Context) (arrival, error)) (*answers, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		if err := p.send(ctx, count, one); err != nil {
			cancel(err)
		}
	}()
	defer func() {
		cancel(nil)
		<-sent
	}()
	answers := newAnswers(count)
	for range count {
		a, err := next(ctx)
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				err = cause
			}
			return nil, err
		}
		answers.came(p.intended(a.n), a.at)
	}
	return answers, nil
}
