package status

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"connect-provider/worker"
)

// atOnce is how many lanes are asked about at the same time.
const atOnce = 8

// readLag fills in how far the lanes are behind. An idle lane costs one
// question, one with undecided commands three. The lag of a lane whose question
// failed stays unknown; the first of the errors is returned.
func readLag(ctx context.Context, js jetstream.JetStream, infos map[string]*jetstream.StreamInfo, lanes []Lane) error {
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i := range lanes {
		lane := &lanes[i]
		if info := infos[lane.lane.Class.Stream()]; info != nil {
			group.Go(func() error {
				if err := lane.readLag(ctx, js, info); err != nil {
					return fmt.Errorf("lag of lane %s: %w", lane.Lane, err)
				}
				return nil
			})
		}
	}
	return group.Wait()
}

func (l *Lane) readLag(ctx context.Context, js jetstream.JetStream, info *jetstream.StreamInfo) error {
	log := l.logIn(info)
	l.Log = &log
	if log == LogCutBack {
		return nil // what is undecided in it only the worker that opens it finds out
	}
	stream, filter := l.lane.Class.Stream(), l.lane.CommandFilter()
	next, err := worker.FindStored(ctx, js, stream, worker.StoredQuestion{Sequence: l.undecided(log), NextFor: filter})
	if err != nil {
		return err
	}
	waiting := uint64(0)
	if next != nil {
		if waiting, err = worker.CountStored(ctx, js, worker.StoredRange{Stream: stream, Filter: filter, From: next.Sequence}); err != nil {
			return err
		}
		age := max(0, info.TimeStamp.Sub(next.Time).Seconds())
		l.LagSeconds, l.NextSequence = &age, &next.Sequence
	}
	l.LagMessages = &waiting
	return nil
}

// logIn tells how the cursor relates to a stream.
func (l *Lane) logIn(info *jetstream.StreamInfo) Log {
	switch {
	case l.streamCreated == 0:
		return LogUnread
	case l.streamCreated != info.Created.UnixNano():
		return LogReplaced
	case l.Cursor > info.State.LastSeq:
		return LogCutBack
	}
	return LogSame
}

// undecided returns the first sequence that may be undecided.
func (l *Lane) undecided(log Log) uint64 {
	if log == LogSame {
		return l.Cursor + 1
	}
	return 1
}
