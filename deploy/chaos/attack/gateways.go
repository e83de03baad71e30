package attack

import (
	"context"
	"math/rand/v2"
	"time"

	"connect-provider/deploy/chaos/arena"
	"connect-provider/deploy/faults"
	"connect-provider/messages"
)

// killGateway kills one of the gateways with kill -9 and starts it again later.
func killGateway(r *rand.Rand, _ time.Duration) attack {
	return onGateway("kill -9", "kills of gateways", r.IntN(64), between(r, 0, time.Second),
		func(g *arena.Gateway) error { g.Kill(); return nil }, func(g *arena.Gateway) error { return g.Start() })
}

// pauseGateway stops a gateway where it is.
func pauseGateway(r *rand.Rand, lease time.Duration) attack {
	return onGateway("pause", "pauses of gateways", r.IntN(64), between(r, lease/10, 2*lease),
		func(g *arena.Gateway) error { return g.Pause() }, func(g *arena.Gateway) error { return g.Resume() })
}

// restartGateway ends a gateway in an orderly way and starts it again.
func restartGateway(r *rand.Rand, _ time.Duration) attack {
	return onGateway("restart", "orderly restarts", r.IntN(64), between(r, 0, time.Second),
		func(g *arena.Gateway) error { g.Drain(); return nil }, func(g *arena.Gateway) error { return g.Start() })
}

func onGateway(what, tally string, n int, long time.Duration, harm, mend func(*arena.Gateway) error) attack {
	return func(ctx context.Context, a *arena.Arena) error {
		g := a.Gateways[n%len(a.Gateways)]
		g.Mu.Lock()
		defer g.Mu.Unlock()
		a.Journal.Say("%s %s, for %s", what, g.Name, brief(long))
		a.Journal.Count(tally, 1)
		if err := harm(g); err != nil {
			return err
		}
		_ = arena.Rest(ctx, long) // it goes on also where all ends
		a.Journal.Say("%s goes on", g.Name)
		return mend(g)
	}
}

// harmGatewayLine cuts, blocks, holds or delays a gateway's line to one of the
// servers.
func harmGatewayLine(r *rand.Rand, lease time.Duration) attack {
	n, toNATS, long := r.IntN(64), r.IntN(4) > 0, between(r, lease/10, 2*lease)
	harm := []struct {
		what string
		do   func(*faults.Line)
		undo func(*faults.Line) error
	}{
		{"cut", (*faults.Line).Cut, func(*faults.Line) error { return nil }},
		{"block", (*faults.Line).Block, (*faults.Line).Unblock},
		{"hold", (*faults.Line).Hold, released},
		{"swallow the replies on", (*faults.Line).HoldReplies, released},
		{"delay", func(l *faults.Line) { l.Slow(faults.Pace{Delay: 50 * time.Millisecond, Jitter: 30 * time.Millisecond}) },
			func(l *faults.Line) error { l.Slow(faults.Pace{}); return nil }},
	}[r.IntN(5)]
	return func(ctx context.Context, a *arena.Arena) error {
		g := a.Gateways[n%len(a.Gateways)]
		line, to := g.Postgres, "Postgres"
		if toNATS {
			line, to = g.NATS, "NATS"
		}
		return during(ctx, &g.LineMu, long, func() {
			a.Journal.Say("%s %s's line to %s for %s", harm.what, g.Name, to, brief(long))
			a.Journal.Count("lines harmed", 1)
			harm.do(line)
		}, func() error { return harm.undo(line) })
	}
}

func released(l *faults.Line) error { l.Release(); return nil }

// loseGatewayAcks loses acknowledgements of commands to a gateway.
func loseGatewayAcks(r *rand.Rand, _ time.Duration) attack {
	n, times, cut := r.IntN(64), 1+r.IntN(3), r.IntN(2) == 0
	return func(ctx context.Context, a *arena.Arena) error {
		g := a.Gateways[n%len(a.Gateways)]
		return loseAcksOf(ctx, a, &g.Worker, messages.Interactive.Stream(), times, cut)
	}
}
