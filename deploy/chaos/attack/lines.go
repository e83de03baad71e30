package attack

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"connect-provider/deploy/chaos/arena"
	"connect-provider/deploy/faults"
	"connect-provider/messages"
)

// cutLine cuts all connections of a line; new ones succeed.
func cutLine(r *rand.Rand, _ time.Duration) attack {
	return onLine(r, "cut", 0, func(l *faults.Line) { l.Cut() }, func(*faults.Line) error { return nil })
}

// blockLine cuts a line and refuses connections for a while.
func blockLine(r *rand.Rand, lease time.Duration) attack {
	return onLine(r, "block", between(r, lease/10, 2*lease), func(l *faults.Line) { l.Block() }, (*faults.Line).Unblock)
}

// holdLine swallows everything, or all answers, while the connections stand.
func holdLine(r *rand.Rand, lease time.Duration) attack {
	what, hold := "hold", (*faults.Line).Hold
	if r.IntN(2) == 0 {
		what, hold = "swallow the replies on", (*faults.Line).HoldReplies
	}
	return onLine(r, what, between(r, lease/10, 2*lease), hold, func(l *faults.Line) error { l.Release(); return nil })
}

// slowLine delays what goes over a line, or makes it narrow.
func slowLine(r *rand.Rand, lease time.Duration) attack {
	pace := faults.Pace{Delay: between(r, time.Millisecond, 60*time.Millisecond), Jitter: between(r, 0, 30*time.Millisecond)}
	what := "delay"
	if r.IntN(3) == 0 {
		pace.BytesPerSecond, what = 50_000+r.IntN(400_000), "delay and narrow"
	}
	return onLine(r, what, between(r, lease/2, 2*lease), func(l *faults.Line) { l.Slow(pace) },
		func(l *faults.Line) error { l.Slow(faults.Pace{}); return nil })
}

// isolate leaves a worker half connected for a while, with one of its servers
// out of reach, and then kills it.
func isolate(r *rand.Rand, lease time.Duration) attack {
	n, fromNATS := r.IntN(64), r.IntN(3) > 0
	long, down := between(r, lease/20, lease), between(r, 0, time.Second)
	return func(ctx context.Context, a *arena.Arena) error {
		w := a.Workers[n%len(a.Workers)]
		w.Mu.Lock()
		defer w.Mu.Unlock()
		w.LineMu.Lock()
		defer w.LineMu.Unlock()
		line, from := w.Postgres, "Postgres"
		if fromNATS {
			line, from = w.NATS, "NATS"
		}
		a.Journal.Say("%s hears nothing of %s for %s, then kill -9", w.Name, from, brief(long))
		a.Journal.Count("kills of workers", 1)
		line.Hold()
		if err := arena.Rest(ctx, long); err != nil {
			return err
		}
		w.Kill()
		line.Release()
		if err := arena.Rest(ctx, down); err != nil {
			return err
		}
		return w.Start()
	}
}

// delayBeyondLease delays what goes between a worker and NATS for longer than
// its leases last: what it has published arrives when others have its lanes.
func delayBeyondLease(r *rand.Rand, lease time.Duration) attack {
	n, delay := r.IntN(64), lease+between(r, lease/4, lease)
	return func(ctx context.Context, a *arena.Arena) error {
		w := a.Workers[n%len(a.Workers)]
		return during(ctx, &w.LineMu, 3*lease, func() {
			a.Journal.Say("what goes between %s and NATS comes %s late, for %s", w.Name, brief(delay), brief(3*lease))
			a.Journal.Count("lines harmed", 1)
			w.NATS.Slow(faults.Pace{Delay: delay})
		}, func() error { w.NATS.Slow(faults.Pace{}); return nil })
	}
}

// onLine harms a line of a worker, or of a producer, for a while.
func onLine(r *rand.Rand, what string, long time.Duration, harm func(*faults.Line), mend func(*faults.Line) error) attack {
	kind, n := r.IntN(5), r.IntN(64)
	return func(ctx context.Context, a *arena.Arena) error {
		w := a.Workers[n%len(a.Workers)]
		line, name, mu := w.Postgres, w.Name+"'s line to Postgres", &w.LineMu
		switch {
		case kind == 4:
			line, name, mu = a.Producers.Lines[n%len(a.Producers.Lines)], "a producer's line to NATS", &a.Producers.LineMu
		case kind >= 2:
			line, name = w.NATS, w.Name+"'s line to NATS"
		}
		return during(ctx, mu, long, func() {
			a.Journal.Say("%s %s for %s", what, name, brief(long))
			a.Journal.Count("lines harmed", 1)
			harm(line)
		}, func() error { return mend(line) })
	}
}

// during does something, and undoes it later, with a lock held.
func during(ctx context.Context, mu *sync.Mutex, long time.Duration, do func(), undo func() error) error {
	mu.Lock()
	defer mu.Unlock()
	do()
	_ = arena.Rest(ctx, long) // it is undone also where all ends
	return undo()
}

// loseCommits loses a few COMMITs of a worker, or the replies to them.
func loseCommits(r *rand.Rand, _ time.Duration) attack {
	n, times := r.IntN(64), 1+r.IntN(3)
	reply := r.IntN(3) > 0
	return func(ctx context.Context, a *arena.Arena) error {
		w := a.Workers[n%len(a.Workers)]
		w.LineMu.Lock()
		defer w.LineMu.Unlock()
		before := w.Commits.Lost()
		for range times {
			if reply {
				w.Commits.LoseReply()
			} else {
				w.Commits.LoseCommit()
			}
		}
		err := await(ctx, func() bool { return w.Commits.Lost() >= before+times })
		w.Commits.Cancel()
		lost := w.Commits.Lost() - before
		a.Journal.Count("connections cut during COMMIT, reading ones included", lost)
		what := "COMMITs"
		if reply {
			what = "replies to COMMIT"
		}
		a.Journal.Say("%d %s of %s were lost", lost, what, w.Name)
		return err
	}
}

// loseAcks loses acknowledgements of the events stream to a worker.
func loseAcks(r *rand.Rand, _ time.Duration) attack {
	n, times, cut := r.IntN(64), 1+r.IntN(3), r.IntN(2) == 0
	return func(ctx context.Context, a *arena.Arena) error {
		return loseAcksOf(ctx, a, a.Workers[n%len(a.Workers)], messages.EventsStream, times, cut)
	}
}

func loseAcksOf(ctx context.Context, a *arena.Arena, w *arena.Worker, stream string, times int, cut bool) error {
	w.LineMu.Lock()
	defer w.LineMu.Unlock()
	before := w.Acks.Lost()
	for range times {
		if cut {
			w.Acks.LoseAckAndCut(stream)
		} else {
			w.Acks.LoseAck(stream)
		}
	}
	err := await(ctx, func() bool { return w.Acks.Lost() >= before+times })
	w.Acks.Cancel()
	lost := w.Acks.Lost() - before
	a.Journal.Count("acknowledgements of "+stream+" lost", lost)
	a.Journal.Say("%d acknowledgements of %s to %s were lost", lost, stream, w.Name)
	return err
}

// await waits for something that comes with the load, for two seconds at most.
func await(ctx context.Context, so func() bool) error {
	for range 100 {
		if so() {
			return nil
		}
		if err := arena.Rest(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}
