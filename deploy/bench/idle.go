package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"connect-provider/deploy/bench/bed"
	"connect-provider/deploy/usage"
	"connect-provider/messages"
)

// idle is the command that looks at workers that own all lanes and have nothing to do.
type idle struct {
	Workers int           `default:"2" help:"How many workers share the lanes."`
	For     time.Duration `default:"1m" help:"How long to look."`
	JSON    bool          `name:"json" help:"Print the result as JSON."`
}

// idleness is the result. Processor time is in percent of one core.
type idleness struct {
	Workers    int     `json:"workers"`
	Seconds    float64 `json:"seconds"`
	Worker     float64 `json:"worker_percent"` // of one of them, on average
	NATS       float64 `json:"nats_percent"`
	Postgres   float64 `json:"postgres_percent"`
	Statements float64 `json:"statements_per_second"` // of one worker, on average
}

// Run measures and prints.
func (i *idle) Run(ctx context.Context, t terminal) error {
	if i.Workers < 1 || i.Workers > 16 || i.For < time.Second || i.For > time.Hour {
		return fmt.Errorf("--workers %d, --for %v: choose 1 to 16 workers, and a second to an hour", i.Workers, i.For)
	}
	return onServers(ctx, bed.StartCounting, messages.StreamOptions{}, func(program program, b *bed.Bed) error { return i.measure(ctx, program, b, t) })
}

func (i *idle) measure(ctx context.Context, program program, b *bed.Bed, t terminal) (err error) {
	var services []*service
	defer func() {
		for _, s := range services {
			err = s.stop(err)
		}
	}()
	for range i.Workers {
		s, err := program.start(b)
		if err != nil {
			return err
		}
		services = append(services, s)
	}
	if err := b.AwaitWorkers(ctx, i.Workers); err != nil {
		return err
	}
	// lanes are handed over, consumers of former owners removed
	if err := pause(ctx, 10*time.Second); err != nil {
		return err
	}
	result, err := i.look(ctx, b, services)
	if err != nil {
		return err
	}
	return result.print(t.out, i.JSON)
}

func (i *idle) look(ctx context.Context, b *bed.Bed, services []*service) (result idleness, err error) {
	type spent struct {
		servers    bed.Usage
		workers    time.Duration
		statements int
	}
	read := func() (s spent, err error) {
		if s.statements, err = b.Statements(ctx); err != nil {
			return s, err
		}
		if s.servers, err = b.Usage(); err != nil {
			return s, err
		}
		for _, service := range services {
			reading, err := usage.Process(service.pid())
			if err != nil {
				return s, err
			}
			s.workers += reading.CPU
		}
		return s, nil
	}
	before, err := read()
	if err != nil {
		return result, err
	}
	start := time.Now()
	if err := pause(ctx, i.For); err != nil {
		return result, err
	}
	seconds := time.Since(start).Seconds()
	after, err := read()
	if err != nil {
		return result, err
	}
	servers := after.servers.Minus(before.servers)
	own := 1 // the statement that counted the ones before
	workers := float64(i.Workers)
	return idleness{
		Workers: i.Workers, Seconds: seconds,
		Worker:     100 * (after.workers - before.workers).Seconds() / seconds / workers,
		NATS:       100 * servers.NATS / seconds,
		Postgres:   100 * servers.Postgres / seconds,
		Statements: float64(after.statements-before.statements-own) / seconds / workers,
	}, nil
}

// pause waits, unless ctx ends first.
func pause(ctx context.Context, wait time.Duration) error {
	select {
	case <-time.After(wait):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (i idleness) print(out io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(i)
	}
	_, err := fmt.Fprintf(out, "| %d idle workers own all lanes, %.0f s | |\n|---|--:|\n| processor time of a worker, %% of a core | %.2f |\n| of NATS | %.2f |\n| of Postgres | %.2f |\n| statements of a worker, a second | %.2f |\n",
		i.Workers, i.Seconds, i.Worker, i.NATS, i.Postgres, i.Statements)
	return err
}
