package attack

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"connect-provider/deploy/chaos/arena"
	"connect-provider/messages"
)

// deleteConsumers deletes some of the consumers that lanes read by.
func deleteConsumers(r *rand.Rand, _ time.Duration) attack {
	class, nth := messages.Classes()[r.IntN(2)], 1+r.IntN(3)
	return func(ctx context.Context, a *arena.Arena) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		stream, err := a.Broker.JS.Stream(ctx, class.Stream())
		if err != nil {
			return nil // away: there are none
		}
		names := stream.ConsumerNames(ctx)
		deleted, i := 0, 0
		for name := range names.Name() {
			if i++; strings.HasPrefix(name, "lane-") && i%nth == 0 && stream.DeleteConsumer(ctx, name) == nil {
				deleted++
			}
		}
		a.Journal.Say("%d consumers of %s were deleted", deleted, class.Stream())
		a.Journal.Count("consumers deleted", deleted)
		return nil
	}
}

// loseCommands purges, replaces or cuts back a command stream.
func loseCommands(r *rand.Rand, _ time.Duration) attack {
	return lose(messages.Classes()[r.IntN(2)].Stream(), arena.Loss(r.IntN(3)), between(r, time.Second, 2*time.Second))
}

// loseEvents purges, replaces or cuts back the events stream.
func loseEvents(r *rand.Rand, _ time.Duration) attack {
	return lose(messages.EventsStream, arena.Loss(r.IntN(3)), between(r, time.Second, 2*time.Second))
}

func lose(stream string, loss arena.Loss, later time.Duration) attack {
	return func(ctx context.Context, a *arena.Arena) error {
		a.Broker.Mu.Lock()
		defer a.Broker.Mu.Unlock()
		a.Journal.Count("streams destroyed", 1)
		switch loss {
		case arena.Purge:
			return a.Destroy(ctx, stream, loss, 0, func() error {
				s, err := a.Broker.JS.Stream(ctx, stream)
				if err == nil {
					err = s.Purge(ctx)
				}
				a.Journal.Say("%s is purged", stream)
				return err
			})
		case arena.Replace:
			// a worker that is started while there is no stream refuses to work
			if stream != messages.EventsStream {
				defer a.HoldWorkers()()
			}
			return a.Destroy(ctx, stream, loss, 0, func() error {
				if err := a.Broker.JS.DeleteStream(ctx, stream); err != nil {
					return err
				}
				a.Journal.Say("%s is deleted", stream)
				if err := arena.Rest(ctx, later/4); err != nil {
					return err
				}
				a.Journal.Say("%s is made anew", stream)
				return a.Broker.MakeStreams(ctx)
			})
		}
		kept, err := keep(ctx, a, stream)
		if err != nil {
			return err
		}
		if err := arena.Rest(ctx, later); err != nil {
			return err
		}
		return a.Destroy(ctx, stream, loss, kept, func() error {
			if err := a.Broker.RewindStream(stream); err != nil {
				return err
			}
			a.Journal.Say("NATS is stopped, %s is cut back to message %d", stream, kept)
			err := a.Broker.Start(ctx)
			a.Journal.Say("NATS is back")
			return err
		})
	}
}

// keep copies a stream while nobody writes to it, and returns its last sequence.
func keep(ctx context.Context, a *arena.Arena, stream string) (last uint64, err error) {
	defer a.Quiet(stream)()
	for range 5 {
		last, err = copyQuiet(ctx, a, stream)
		if err == nil {
			break
		}
	}
	return last, err
}

// copyQuiet copies a stream. It is an error if somebody has written to it all
// the same.
func copyQuiet(ctx context.Context, a *arena.Arena, stream string) (last uint64, err error) {
	info, err := a.Broker.Stream(ctx, stream)
	if err != nil {
		return 0, err
	}
	if err := a.Broker.KeepStream(ctx, stream); err != nil {
		return 0, err
	}
	again, err := a.Broker.Stream(ctx, stream)
	if err != nil {
		return 0, err
	}
	if again.State.LastSeq != info.State.LastSeq {
		return 0, fmt.Errorf("somebody wrote to %s while it was copied", stream)
	}
	return info.State.LastSeq, nil
}
