package attack

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"connect-provider/deploy/chaos/arena"
)

type attack = func(ctx context.Context, a *arena.Arena) error

// between draws a time.
func between(r *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(r.Int64N(int64(most-least)+1))
}

// killWorker kills one of the workers with kill -9 and starts it again later.
func killWorker(r *rand.Rand, _ time.Duration) attack {
	n, down := r.IntN(64), between(r, 0, 2*time.Second)
	return func(ctx context.Context, a *arena.Arena) error {
		w := a.Workers[n%len(a.Workers)]
		w.Mu.Lock()
		defer w.Mu.Unlock()
		a.Journal.Say("kill -9 %s, down for %s", w.Name, brief(down))
		a.Journal.Count("kills of workers", 1)
		w.Kill()
		if err := arena.Rest(ctx, down); err != nil {
			return err
		}
		return w.Start()
	}
}

// pauseWorker stops a worker where it is, for shorter or longer than its lease.
func pauseWorker(r *rand.Rand, lease time.Duration) attack {
	n, long := r.IntN(64), between(r, lease/10, lease)
	if r.IntN(3) > 0 {
		long = 3 * lease
	}
	return func(ctx context.Context, a *arena.Arena) error {
		w := a.Workers[n%len(a.Workers)]
		w.Mu.Lock()
		defer w.Mu.Unlock()
		a.Journal.Say("pause %s for %s", w.Name, brief(long))
		if long > lease {
			a.Journal.Count("pauses of workers for three leases", 1)
		} else {
			a.Journal.Count("pauses of workers within a lease", 1)
		}
		if err := w.Pause(); err != nil {
			return err
		}
		_ = arena.Rest(ctx, long) // it goes on also where all ends
		a.Journal.Say("%s goes on", w.Name)
		return w.Resume()
	}
}

// restartWorker ends a worker in an orderly way and starts it again.
func restartWorker(r *rand.Rand, _ time.Duration) attack {
	n, down := r.IntN(64), between(r, 0, time.Second)
	return func(ctx context.Context, a *arena.Arena) error {
		w := a.Workers[n%len(a.Workers)]
		w.Mu.Lock()
		defer w.Mu.Unlock()
		a.Journal.Say("restart %s", w.Name)
		a.Journal.Count("orderly restarts", 1)
		w.Drain()
		if err := arena.Rest(ctx, down); err != nil {
			return err
		}
		return w.Start()
	}
}

// killNATS kills NATS with kill -9 and starts it again.
func killNATS(r *rand.Rand, _ time.Duration) attack {
	return onNATS("kill -9", "kills of NATS", between(r, 0, time.Second),
		func(_ context.Context, b *arena.Broker) error { return b.Kill() },
		func(ctx context.Context, b *arena.Broker) error { return b.Start(ctx) })
}

// restartNATS ends NATS in an orderly way and starts it again.
func restartNATS(r *rand.Rand, _ time.Duration) attack {
	return onNATS("restart", "orderly restarts", between(r, 0, time.Second),
		func(_ context.Context, b *arena.Broker) error { return b.Stop() },
		func(ctx context.Context, b *arena.Broker) error { return b.Start(ctx) })
}

// pauseNATS stops NATS where it is.
func pauseNATS(r *rand.Rand, lease time.Duration) attack {
	return onNATS("pause", "pauses of NATS", between(r, lease/4, 2*lease),
		func(_ context.Context, b *arena.Broker) error { return b.Pause() },
		func(_ context.Context, b *arena.Broker) error { return b.Resume() })
}

// killPostgres kills Postgres with kill -9 and starts it again.
func killPostgres(r *rand.Rand, _ time.Duration) attack {
	return onPostgres("kill -9", "kills of Postgres", between(r, 0, time.Second),
		func(_ context.Context, d *arena.Database) error { return d.Kill() },
		func(ctx context.Context, d *arena.Database) error { return d.Start(ctx) })
}

// restartPostgres ends Postgres in an orderly way and starts it again.
func restartPostgres(r *rand.Rand, _ time.Duration) attack {
	return onPostgres("restart", "orderly restarts", between(r, 0, time.Second),
		func(_ context.Context, d *arena.Database) error { return d.Stop() },
		func(ctx context.Context, d *arena.Database) error { return d.Start(ctx) })
}

// pausePostgres stops all processes of Postgres where they are.
func pausePostgres(r *rand.Rand, lease time.Duration) attack {
	return onPostgres("pause", "pauses of Postgres", between(r, lease/4, 2*lease),
		func(ctx context.Context, d *arena.Database) error { return d.Pause(ctx) },
		func(ctx context.Context, d *arena.Database) error { return d.Resume(ctx) })
}

func onNATS(what, tally string, long time.Duration, harm, mend func(context.Context, *arena.Broker) error) attack {
	return onServer(what, "NATS", tally, long,
		func(a *arena.Arena) *sync.Mutex { return &a.Broker.Mu },
		func(ctx context.Context, a *arena.Arena) error { return harm(ctx, a.Broker) },
		func(ctx context.Context, a *arena.Arena) error { return mend(ctx, a.Broker) })
}

func onPostgres(what, tally string, long time.Duration, harm, mend func(context.Context, *arena.Database) error) attack {
	return onServer(what, "Postgres", tally, long,
		func(a *arena.Arena) *sync.Mutex { return &a.Database.Mu },
		func(ctx context.Context, a *arena.Arena) error { return harm(ctx, a.Database) },
		func(ctx context.Context, a *arena.Arena) error { return mend(ctx, a.Database) })
}

// onServer harms a server for a while.
func onServer(what, name, tally string, long time.Duration, lock func(*arena.Arena) *sync.Mutex, harm, mend attack) attack {
	return func(ctx context.Context, a *arena.Arena) error {
		mu := lock(a)
		mu.Lock()
		defer mu.Unlock()
		a.Journal.Say("%s %s for %s", what, name, brief(long))
		a.Journal.Count(tally, 1)
		if err := harm(ctx, a); err != nil {
			return err
		}
		_ = arena.Rest(ctx, long) // it comes back also where all ends
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		err := mend(ctx, a)
		a.Journal.Say("%s is back", name)
		return err
	}
}

func brief(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }
