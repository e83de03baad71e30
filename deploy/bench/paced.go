package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/deploy/bench/bed"
	"connect-provider/deploy/workload"
	"connect-provider/messages"
)

// paced are interactive commands at a fixed rate, whatever becomes of those before.
type paced struct {
	load     workload.Workload
	commands int
	interval time.Duration

	mu      sync.Mutex
	start   time.Time
	took    []time.Duration // from when it was due to its event; 0 is none yet
	missing []int           // how many of each stage have no event yet
	news    chan struct{}
}

// newPaced makes commands for so many stages of equal length.
func newPaced(rate, stages int, stage time.Duration) *paced {
	each := int(stage.Seconds() * float64(rate))
	n := stages * each
	return &paced{
		load:     workload.Workload{Prefix: "load", Numbering: "+999", Organizations: 100, Bridges: 10, Numbers: n/1000 + 1},
		commands: n, interval: time.Second / time.Duration(rate),
		took: make([]time.Duration, n), missing: slices.Repeat([]int{each}, stages), news: make(chan struct{}, 1),
	}
}

// publish publishes all commands, each when it is due, and notes when their events
// come. Times count from when they were due, so that waiting for one that is late
// does not spare the next.
func (p *paced) publish(ctx context.Context, b *bed.Bed) error {
	consumer, err := b.JS.OrderedConsumer(ctx, messages.EventsStream, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy})
	if err != nil {
		return err
	}
	failed := make(chan error, 1) // the first failure
	fail := func(err error) {
		select {
		case failed <- err:
		default:
		}
	}
	p.start = time.Now()
	consuming, err := consumer.Consume(func(message jetstream.Msg) {
		if err := p.note(message); err != nil {
			fail(err)
		}
	})
	if err != nil {
		return err
	}
	defer consuming.Stop()
	for n := range p.commands {
		if err := pause(ctx, time.Until(p.due(n))); err != nil {
			return err
		}
		message, err := p.load.Message(messages.Interactive, n)
		if err != nil {
			return err
		}
		acknowledged, err := b.JS.PublishMsgAsync(message)
		if err != nil {
			return err
		}
		go func() {
			select {
			case <-acknowledged.Ok():
			case err := <-acknowledged.Err():
				fail(err)
			}
		}()
	}
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

func (p *paced) due(n int) time.Time { return p.start.Add(time.Duration(n) * p.interval) }

// note notes an event.
func (p *paced) note(message jetstream.Msg) error {
	event, err := messages.DecodeEvent(message.Data())
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(strings.TrimPrefix(event.CommandID, p.load.Prefix+":"))
	if err != nil || n >= p.commands {
		return fmt.Errorf("an event of command %q, which was not published", event.CommandID)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.took[n] == 0 {
		p.took[n] = max(1, time.Since(p.due(n)))
		p.missing[n*len(p.missing)/p.commands]--
	}
	select {
	case p.news <- struct{}{}:
	default:
	}
	return nil
}

// await waits for the events of a stage and returns what they took.
func (p *paced) await(ctx context.Context, stage int) ([]time.Duration, error) {
	for {
		p.mu.Lock()
		missing := p.missing[stage]
		p.mu.Unlock()
		if missing == 0 {
			each := p.commands / len(p.missing)
			return slices.Clone(p.took[stage*each : (stage+1)*each]), nil
		}
		select {
		case <-p.news:
		case <-ctx.Done():
			return nil, fmt.Errorf("%d events have not come: %w", missing, context.Cause(ctx))
		}
	}
}
