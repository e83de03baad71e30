package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/deploy/bench/bed"
	"connect-provider/deploy/bench/design"
	"connect-provider/deploy/workload"
	"connect-provider/messages"
)

// latency is the command that measures single commands.
type latency struct {
	Commands int  `default:"2000" help:"How many commands each way, one after another."`
	JSON     bool `name:"json" help:"Print the result as JSON."`
}

// The floor and the worker take turns in blocks. The first of each does not count.
const latencyBlock = 100

const mostLatencies = 1_000_000

// latencies is the result, in milliseconds.
type latencies struct {
	Floor  percentiles `json:"floor_ms"`
	Worker percentiles `json:"worker_ms"`
}

type percentiles struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// Run measures and prints.
func (l *latency) Run(ctx context.Context, t terminal) (err error) {
	if l.Commands < 1 || l.Commands > mostLatencies {
		return fmt.Errorf("--commands %d: choose 1 to %d", l.Commands, mostLatencies)
	}
	blocks := (l.Commands + latencyBlock - 1) / latencyBlock
	b, err := bed.Start(ctx, messages.StreamOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	n := (blocks + 1) * latencyBlock
	task := func(prefix, numbering string) design.Task {
		return design.Task{Bed: b, Commands: n, Workload: workload.Workload{Prefix: prefix, Numbering: numbering, Organizations: 100, Bridges: 10, Numbers: n/1000 + 1}}
	}
	ofFloor, ofWorker := task("floor", "+998"), task("load", "+999")
	if err := errors.Join(ofFloor.Workload.Load(ctx, b.Pool), ofWorker.Workload.Load(ctx, b.Pool)); err != nil {
		return err
	}
	floor, err := design.NewSingleFloor(ctx, ofFloor)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, floor.Close()) }()
	work, err := design.Worker(ctx, b)
	if err != nil {
		return err
	}
	return whileWorking(ctx, work, func(ctx context.Context) error {
		result, err := takeTurns(ctx, b, blocks, floor, ofWorker.Workload)
		if err != nil {
			return err
		}
		if err := errors.Join(ofFloor.Workload.Check(ctx, b.Pool, n), ofWorker.Workload.Check(ctx, b.Pool, n), b.DemandEvents(ctx, n)); err != nil {
			return err
		}
		return result.print(t.out, l.JSON)
	})
}

func takeTurns(ctx context.Context, b *bed.Bed, blocks int, floor *design.SingleFloor, w workload.Workload) (latencies, error) {
	ofFloor, err := follow(ctx, b.JS, floor.EventsStream())
	if err != nil {
		return latencies{}, err
	}
	ofWorker, err := follow(ctx, b.JS, messages.EventsStream)
	if err != nil {
		return latencies{}, err
	}
	published := 0
	publish := func(ctx context.Context) error {
		message, err := w.Message(messages.Interactive, published)
		if err != nil {
			return err
		}
		published++
		_, err = b.JS.PublishMsg(ctx, message)
		return err
	}
	var floors, workers []time.Duration
	for range blocks + 1 {
		if floors, err = block(ctx, floors, floor.Do, ofFloor); err != nil {
			return latencies{}, fmt.Errorf("floor: %w", err)
		}
		if workers, err = block(ctx, workers, publish, ofWorker); err != nil {
			return latencies{}, fmt.Errorf("worker: %w", err)
		}
	}
	return latencies{percentilesOf(floors[latencyBlock:]), percentilesOf(workers[latencyBlock:])}, nil
}

// block times actions, one after another, until their event is received.
func block(ctx context.Context, took []time.Duration, act func(context.Context) error, received <-chan struct{}) ([]time.Duration, error) {
	for range latencyBlock {
		start := time.Now()
		if err := act(ctx); err != nil {
			return took, err
		}
		select {
		case <-received:
		case <-ctx.Done():
			return took, context.Cause(ctx)
		}
		took = append(took, time.Since(start))
	}
	return took, nil
}

// follow tells of each event that a stream gets, as a consumer of it learns.
func follow(ctx context.Context, js jetstream.JetStream, stream string) (<-chan struct{}, error) {
	consumer, err := js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy})
	if err != nil {
		return nil, err
	}
	received := make(chan struct{}, latencyBlock)
	consuming, err := consumer.Consume(func(jetstream.Msg) { received <- struct{}{} })
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, consuming.Stop)
	return received, nil
}

func percentilesOf(took []time.Duration) percentiles {
	slices.Sort(took)
	at := func(share float64) float64 { return 1e3 * took[int(share*float64(len(took)-1))].Seconds() }
	return percentiles{at(0.5), at(0.9), at(0.99), at(1)}
}

func (l latencies) print(out io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(l)
	}
	text := "| One command at a time, from publishing to its event | p50 ms | p90 ms | p99 ms | max ms |\n|---|--:|--:|--:|--:|\n"
	line := func(title, format string, p percentiles) {
		text += fmt.Sprintf("| %s | "+format+" | "+format+" | "+format+" | "+format+" |\n", title, p.P50, p.P90, p.P99, p.Max)
	}
	line("the floor: two synced publishes and a commit", "%.2f", l.Floor)
	line("connect-provider's worker", "%.2f", l.Worker)
	line("ratio", "%.2f×", percentiles{l.Worker.P50 / l.Floor.P50, l.Worker.P90 / l.Floor.P90, l.Worker.P99 / l.Floor.P99, l.Worker.Max / l.Floor.Max})
	_, err := io.WriteString(out, text)
	return err
}
