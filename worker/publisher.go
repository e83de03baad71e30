package worker

import (
	"context"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/trace"

	"connect-provider/messages"
	"connect-provider/outbox"
)

// publisher publishes a lane's events while the lane applies its next batch.
// It takes that batch's events when these are published, no sooner: that
// bounds the outbox when the events stream is slow or full.
type publisher struct {
	relay *outbox.Relay
	queue chan committed
	done  chan struct{} // closed when run has ended
	wake  chan struct{} // told when something was published

	waiting *atomic.Int64 // events handed over and not published yet
	held    *budget       // their bytes, with those of other lanes

	mu    sync.Mutex
	state progress
}

// committed are the events of one transaction, and the span of its batch.
type committed struct {
	rows []outbox.Row
	span trace.SpanContext
}

// progress is what a publisher has reached.
type progress struct {
	published messages.Position // the outbox rows up to here are in the stream
	last      outbox.LastEvent
	finished  *outbox.Span // the last span that was replayed to its end
}

func newPublisher(relay *outbox.Relay, waiting *atomic.Int64, held *budget) *publisher {
	return &publisher{relay: relay, waiting: waiting, held: held, queue: make(chan committed), done: make(chan struct{}), wake: make(chan struct{}, 1)}
}

// run publishes what is enqueued until the queue is closed, the context ends,
// or the lane is lost.
func (p *publisher) run(ctx context.Context) error {
	defer close(p.done)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case next, more := <-p.queue:
			if !more {
				return nil
			}
			rows := next.rows
			err := p.relay.Publish(within(ctx, next.span), rows)
			p.held.give(payloads(rows))
			if err != nil {
				return err
			}
			p.waiting.Add(-int64(len(rows)))
			p.note(rows)
		}
	}
}

// within returns ctx with a span, so that others become its children.
func within(ctx context.Context, span trace.SpanContext) context.Context {
	if !span.IsValid() {
		return ctx
	}
	return trace.ContextWithSpanContext(ctx, span)
}

// resume publishes what the former owner left.
func (p *publisher) resume(ctx context.Context, leftovers []outbox.Row, span *outbox.Span) error {
	if err := p.relay.Resume(ctx, leftovers, span); err != nil {
		return err
	}
	p.note(leftovers)
	return nil
}

func (p *publisher) note(rows []outbox.Row) {
	p.mu.Lock()
	if len(rows) > 0 {
		p.state.published = rows[len(rows)-1].Position
	}
	p.state.last, p.state.finished = p.relay.LastEvent(), p.relay.Finished()
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// enqueue hands over rows, waiting while the queue is full, with the span of the
// batch that they are of.
func (p *publisher) enqueue(ctx context.Context, rows []outbox.Row, span trace.SpanContext) error {
	if len(rows) == 0 {
		return nil
	}
	p.waiting.Add(int64(len(rows)))
	p.held.take(payloads(rows))
	select {
	case p.queue <- committed{rows, span}:
		return nil
	case <-p.done:
		p.held.give(payloads(rows))
		return outbox.ErrLost
	case <-ctx.Done():
		p.held.give(payloads(rows))
		return ctx.Err()
	}
}

func payloads(rows []outbox.Row) (bytes int) {
	for i := range rows {
		bytes += len(rows[i].Payload)
	}
	return bytes
}

// busy tells whether events wait while all lanes together hold as many as they
// may: then the lane decides nothing more until its own are published.
func (p *publisher) busy() bool { return p.waiting.Load() > 0 && p.held.spent() }

func (p *publisher) progress() progress {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}
