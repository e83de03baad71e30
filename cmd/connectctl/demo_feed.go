package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/messages"
)

// place is where a command stands: what its publisher knows of it.
type place struct {
	class    messages.Class
	sequence uint64
}

// feed follows the events stream, as a consumer does, and notes when the outcome
// of each command came.
type feed struct {
	stop  context.CancelFunc
	ended chan struct{}

	mu     sync.Mutex
	came   map[place]time.Time
	newest time.Time
	news   chan struct{} // closed, and made anew, whenever an outcome comes
	err    error
}

// follow begins behind the events that are in the stream now.
func follow(ctx context.Context, js jetstream.JetStream) (*feed, error) {
	last, err := lastEvent(ctx, js)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	f := &feed{stop: stop, ended: make(chan struct{}), came: map[place]time.Time{}, newest: time.Now(), news: make(chan struct{})}
	go func() {
		defer close(f.ended)
		err := readEvents(ctx, js, onwards, jetstream.OrderedConsumerConfig{
			DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: last + 1,
		}, f.take)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.err = err
		close(f.news)
	}()
	return f, nil
}

func (f *feed) take(e *messages.Event, _ []byte) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.newest = time.Now()
	f.came[place{e.Lane.Class, e.Sequence}] = f.newest
	close(f.news)
	f.news = make(chan struct{})
	return true
}

func (f *feed) close() {
	f.stop()
	<-f.ended
}

// awaitOne waits for the outcome of one command and returns when it came.
func (f *feed) awaitOne(ctx context.Context, p place) (time.Time, error) {
	err := f.await(ctx, func() bool { return !f.came[p].IsZero() })
	if err != nil {
		return time.Time{}, fmt.Errorf("outcome of command %d of %s: %w", p.sequence, p.class.Stream(), err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.came[p], nil
}

// await waits until enough has come. It gives up when no outcome comes for a
// while.
func (f *feed) await(ctx context.Context, enough func() bool) error {
	start := time.Now()
	for {
		f.mu.Lock()
		done, news, err := enough(), f.news, f.err
		patience := stalled - min(time.Since(f.newest), time.Since(start))
		f.mu.Unlock()
		switch {
		case done:
			return nil
		case err != nil:
			return err
		}
		timer := time.NewTimer(max(patience, 0))
		select {
		case <-news:
		case <-timer.C:
			return fmt.Errorf("no outcome has come for %s; --log-level info shows what the worker is at", stalled)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		timer.Stop()
	}
}
