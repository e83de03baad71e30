package onboard

import (
	"context"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v4"

	"connect-provider/messages"
)

// mostBytes bounds what is in flight where rows are very long.
const mostBytes = 32 << 20

// takeAgain returns flights that are to be published again, nil if there are none.
func (r *Run) takeAgain() []*flight {
	r.mu.Lock()
	defer r.mu.Unlock()
	batch := r.again
	r.again = nil
	if len(batch) > MaxBatch {
		batch, r.again = batch[:MaxBatch], slices.Clone(batch[MaxBatch:])
		r.notify()
	}
	return batch
}

// send publishes a batch once there is room for it in flight. If the run is
// interrupted before, the rows are left undecided.
func (r *Run) send(ctx, working context.Context, stop context.CancelCauseFunc, batch []*flight) {
	defer r.notify()
	if ctx.Err() != nil {
		r.withdraw(batch)
		return
	}
	for !r.fits(len(batch)) {
		select {
		case <-r.news:
		case <-ctx.Done():
			r.withdraw(batch)
			return
		case <-working.Done():
			return
		}
		// what is in flight may have to be published again for there to be room
		if again := r.takeAgain(); again != nil {
			r.publish(ctx, working, stop, again)
		}
	}
	if r.limit != nil && len(batch) > 0 {
		if err := r.limit.WaitN(ctx, min(len(batch), r.limit.Burst())); err != nil {
			r.withdraw(batch)
			return
		}
	}
	r.publish(ctx, working, stop, batch)
}

// fits reports whether a batch, which is counted already, may be published.
func (r *Run) fits(batch int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.undecided <= r.options.MaxInFlight && r.bytes <= mostBytes || r.undecided <= batch
}

// withdraw leaves rows undecided.
func (r *Run) withdraw(batch []*flight) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range batch {
		if !f.landed {
			r.remove(f)
		}
	}
}

// publish publishes flights as one atomic batch, however long that takes. What
// may be stored already is published again: it is decided once.
func (r *Run) publish(ctx, working context.Context, stop context.CancelCauseFunc, batch []*flight) {
	r.mu.Lock()
	batch = slices.DeleteFunc(batch, func(f *flight) bool { return f.landed })
	r.mu.Unlock()
	if len(batch) == 0 {
		return
	}
	outgoing := make([]Message, len(batch))
	for i, f := range batch {
		body, err := r.options.Job.attempt(&f.row, f.attempt)
		if err != nil {
			stop(err) // it was found valid before
			return
		}
		outgoing[i] = Message{Subject: messages.CommandSubject(messages.Bulk, f.organization, messages.VerbConnectProvider), Body: body}
	}
	pause := newBackOff()
	for {
		last, err := r.platform.Publish(working, outgoing)
		if err == nil {
			r.waits(waitPublish, "")
			r.accepted(batch, last)
			return
		}
		if hopeless(err) {
			stop(err)
			return
		}
		r.waits(waitPublish, err.Error())
		if ctx.Err() != nil || !rest(working, ctx, pause.NextBackOff()) {
			// nobody knows whether they are stored; who runs the file again, asks
			r.withdraw(batch)
			return
		}
	}
}

// accepted notes where commands stand in the stream.
func (r *Run) accepted(batch []*flight, last uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.moved = time.Now()
	r.counts.Accepted += int64(len(batch))
	first := last - uint64(len(batch)) + 1
	for i, f := range batch {
		if f.landed {
			continue
		}
		a := r.accountOf(f)
		f.sequence, f.since, f.lane = first+uint64(i), r.moved, a.lane.LaneCursor
		a.accepted = append(a.accepted, f)
	}
}

func newBackOff() *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(backoff.WithInitialInterval(50*time.Millisecond),
		backoff.WithMaxInterval(2*time.Second), backoff.WithMaxElapsedTime(0))
}

// rest waits, and reports whether none of the contexts ended meanwhile.
func rest(working, ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-working.Done():
	case <-ctx.Done():
	}
	return false
}
