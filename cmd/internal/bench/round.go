package bench

import (
	"context"
	"fmt"
	"time"

	"connect-provider/deploy/workload"
	"connect-provider/messages"
)

// measureRound measures the throughput once, and adds it to the report.
func (b *bench) measureRound(ctx context.Context, number int) error {
	b.tell("Round %d of %d: loading %d organizations with %d numbers", number, b.options.Rounds, b.options.Organizations, b.options.Commands)
	w, err := b.load(ctx, b.options.Commands)
	if err != nil {
		return err
	}
	run := &Run{Round: number, Commands: b.options.Commands}
	r := &round{bench: b, workload: w, run: run}
	if r.events, err = lastSequence(ctx, b.system.JetStream, messages.EventsStream); err != nil {
		return err
	}
	if r.commands, err = lastSequence(ctx, b.system.JetStream, b.options.Class.Stream()); err != nil {
		return err
	}
	if b.options.Mode == Throughput {
		err = r.decide(ctx)
	} else {
		err = r.publishAndDecide(ctx)
	}
	if err != nil {
		return err
	}
	if err := r.check(ctx); err != nil {
		return err
	}
	b.report.Runs = append(b.report.Runs, run)
	return nil
}

// round is a workload whose commands are decided as fast as can be.
type round struct {
	bench    *bench
	workload workload.Workload
	run      *Run
	// the last messages before, in the events stream and in that of the commands
	events, commands uint64
	outcomes         []outcome
}

// decide measures from when the workers may begin, all commands being in the
// stream, to when all outcomes are.
func (r *round) decide(ctx context.Context) error {
	b := r.bench
	if err := b.system.Workers.Hold(ctx, b.options.Class, r.workload); err != nil {
		return err
	}
	b.tell("Publishing %d commands", r.run.Commands)
	start := time.Now()
	if err := r.publish(ctx); err != nil {
		return err
	}
	r.run.PublishSeconds = time.Since(start).Seconds()
	b.tell("Having them decided")
	m, err := b.begin(ctx)
	if err != nil {
		return err
	}
	defer m.watch.close()
	start = time.Now()
	if err := b.system.Workers.Release(ctx); err != nil {
		return err
	}
	return r.await(ctx, start, m)
}

// publishAndDecide measures from the first publish to when all outcomes are in the
// events stream.
func (r *round) publishAndDecide(ctx context.Context) error {
	b := r.bench
	if err := b.system.Workers.Release(ctx); err != nil {
		return err
	}
	b.tell("Publishing %d commands and having them decided", r.run.Commands)
	m, err := b.begin(ctx)
	if err != nil {
		return err
	}
	defer m.watch.close()
	start := time.Now()
	if err := r.publish(ctx); err != nil {
		return err
	}
	r.run.PublishSeconds = time.Since(start).Seconds()
	return r.await(ctx, start, m)
}

// publish publishes the round's commands: bulk ones in atomic batches, others one
// by one, without waiting for each.
func (r *round) publish(ctx context.Context) error {
	b := r.bench
	if b.options.Class == messages.Bulk {
		return r.workload.Publish(ctx, b.system.NATS, 0, r.run.Commands)
	}
	publisher, err := newPublisher(b.system)
	if err != nil {
		return err
	}
	for n := range r.run.Commands {
		message, err := r.workload.Message(b.options.Class, n)
		if err != nil {
			return err
		}
		if err := publisher.send(message); err != nil {
			return err
		}
	}
	return publisher.settle(ctx)
}

const (
	// pollInterval is how often the events stream is looked at: what is measured
	// is at most so much too long.
	pollInterval = 5 * time.Millisecond
	// patience is how long no outcome may come until a benchmark gives up.
	patience = time.Minute
)

// await waits until the outcomes of all commands are in the events stream, and
// measures up to then. Nothing is read of the stream before there is enough:
// whoever reads along takes a share of the machine.
func (r *round) await(ctx context.Context, start time.Time, m *measurement) error {
	js := r.bench.system.JetStream
	stream, err := js.Stream(ctx, messages.EventsStream)
	if err != nil {
		return fmt.Errorf("%s: %w", messages.EventsStream, err)
	}
	read, last, since := r.events, r.events, start
	for {
		info, err := stream.Info(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", messages.EventsStream, err)
		}
		now := time.Now()
		if info.State.LastSeq != last {
			last, since = info.State.LastSeq, now
		}
		if last-read >= uint64(r.run.Commands-len(r.outcomes)) {
			r.run.Seconds = now.Sub(start).Seconds()
			if err := m.read(ctx, r.run); err != nil {
				return err
			}
			more, err := r.bench.organizations.readOutcomes(ctx, js, read, last)
			if err != nil {
				return err
			}
			read, r.outcomes = last, append(r.outcomes, more...)
			if len(r.outcomes) >= r.run.Commands {
				return nil
			}
		}
		if now.Sub(since) > patience {
			return fmt.Errorf("no outcome has come for %s (connectctl status says what is wrong); %d of %d commands are known to have one", patience, len(r.outcomes), r.run.Commands)
		}
		if err := sleepUntil(ctx, now.Add(pollInterval)); err != nil {
			return err
		}
	}
}

// check makes sure that what was measured was done, and tells how long each
// command took and when its outcome came.
func (r *round) check(ctx context.Context) error {
	b, run := r.bench, r.run
	b.tell("Checking, and reading when each command and its outcome were accepted")
	for _, o := range r.outcomes {
		if o.failed {
			run.Failed++
		}
	}
	if wanted := r.workload.Unknown(run.Commands); len(r.outcomes) != run.Commands || run.Failed != wanted {
		return fmt.Errorf("%d commands have %d outcomes, of which %d say that it failed; %d should", run.Commands, len(r.outcomes), run.Failed, wanted)
	}
	if err := r.workload.Check(ctx, b.system.Database, run.Commands); err != nil {
		return err
	}
	last, err := lastSequence(ctx, b.system.JetStream, b.options.Class.Stream())
	if err != nil {
		return err
	}
	accepted, err := b.organizations.readAccepted(ctx, b.system.JetStream, b.options.Class, r.commands, last)
	if err != nil {
		return err
	}
	took := newLatencies()
	for _, o := range r.outcomes {
		at, ok := accepted[o.command]
		if !ok {
			return fmt.Errorf("%s has no command %d, of which there is an outcome", b.options.Class.Stream(), o.command)
		}
		took.record(o.at.Sub(at))
	}
	run.Latency, run.bars = took.summary(), took.bars()
	r.setTimes()
	return nil
}

// setTimes says when outcomes came. Only NATS' clock tells when each did; the last
// one came when the measurement ended.
func (r *round) setTimes() {
	last := r.outcomes[len(r.outcomes)-1].at
	offsets := make([]time.Duration, len(r.outcomes))
	end := time.Duration(r.run.Seconds * float64(time.Second))
	for i, o := range r.outcomes {
		offsets[i] = max(0, end-last.Sub(o.at))
	}
	r.run.FirstOutcomeSeconds = offsets[0].Seconds()
	r.run.CommandsPerSecond = float64(r.run.Commands) / r.run.Seconds
	r.run.curve = curveOf(offsets, end)
}
