package bench

import (
	"context"
	"time"

	"connect-provider/deploy/workload"
)

// warmUp is how many commands are decided before latencies are measured: the
// first ones pay for connections and plans.
const warmUp = 200

// measureLatencies measures one command at a time, then each rate, and adds the
// runs to the report.
func (b *bench) measureLatencies(ctx context.Context) error {
	total := b.options.Most()
	b.tell("Loading %d organizations with %d numbers", b.options.Organizations, total)
	w, err := b.load(ctx, total)
	if err != nil {
		return err
	}
	if err := b.system.Workers.Release(ctx); err != nil {
		return err
	}
	l := &line{bench: b, workload: w}
	if l.publisher, err = newPublisher(b.system); err != nil {
		return err
	}
	if l.follower, err = follow(ctx, b.system.JetStream, w.Prefix); err != nil {
		return err
	}
	defer l.follower.close()
	b.tell("Warming up with %d commands", warmUp)
	if _, err := l.oneAtATime(ctx, warmUp); err != nil {
		return err
	}
	b.tell("Publishing %d commands, each after the outcome of the one before", b.options.Commands)
	if err := l.measure(ctx, 0, b.options.Commands); err != nil {
		return err
	}
	for _, rate := range b.options.Rates {
		b.tell("Publishing %d commands a second for %s", rate, b.options.Duration)
		if err := l.measure(ctx, rate, b.options.at(rate)); err != nil {
			return err
		}
	}
	return w.Check(ctx, b.system.Database, total)
}

// line is where commands go and outcomes come from.
type line struct {
	bench     *bench
	workload  workload.Workload
	publisher *publisher
	follower  *follower
	sent      int // of the workload's commands
}

// measure measures a number of commands at a rate, 0 for one at a time, and adds
// the run to the report.
func (l *line) measure(ctx context.Context, rate, commands int) error {
	m, err := l.bench.begin(ctx)
	if err != nil {
		return err
	}
	defer m.watch.close()
	run := &Run{Rate: rate, Commands: commands, Failed: l.workload.Unknown(l.sent+commands) - l.workload.Unknown(l.sent)}
	start := time.Now()
	var came *answers
	if rate == 0 {
		came, err = l.oneAtATime(ctx, commands)
	} else {
		came, err = l.atRate(ctx, rate, commands)
	}
	if err != nil {
		return err
	}
	end := time.Since(start)
	run.Seconds, run.CommandsPerSecond = end.Seconds(), float64(commands)/end.Seconds()
	run.Latency, run.bars, run.curve = came.took.summary(), came.took.bars(), curveOf(came.since(start), end)
	if err := m.read(ctx, run); err != nil {
		return err
	}
	l.bench.report.Runs = append(l.bench.report.Runs, run)
	return nil
}

// oneAtATime sends commands, each after the outcome of the one before, and
// measures from when it sends one.
func (l *line) oneAtATime(ctx context.Context, n int) (*answers, error) {
	first := l.next(n)
	answers := newAnswers(n)
	for i := range n {
		sent := time.Now()
		if err := l.send(first + i); err != nil {
			return nil, err
		}
		a, err := l.follower.next(ctx)
		if err != nil {
			return nil, err
		}
		answers.came(sent, a.at)
	}
	return answers, l.publisher.settle(ctx)
}

// next is the first of so many commands that were not sent yet.
func (l *line) next(commands int) int {
	first := l.sent
	l.sent += commands
	return first
}

// send publishes one of the workload's commands.
func (l *line) send(n int) error {
	message, err := l.workload.Message(l.bench.options.Class, n)
	if err != nil {
		return err
	}
	return l.publisher.send(message)
}

// atRate sends commands at a rate, whether outcomes come or not.
func (l *line) atRate(ctx context.Context, perSecond, n int) (*answers, error) {
	first := l.next(n)
	answers, err := paceOf(time.Now(), perSecond).answers(ctx, n,
		func(i int) error { return l.send(first + i) },
		func(ctx context.Context) (arrival, error) {
			a, err := l.follower.next(ctx)
			return arrival{a.n - first, a.at}, err
		})
	if err != nil {
		return nil, err
	}
	return answers, l.publisher.settle(ctx)
}
