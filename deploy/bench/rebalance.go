package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"connect-provider/deploy/bench/bed"
	"connect-provider/messages"
)

// rebalance is the command that measures how long commands wait while lanes change
// hands.
type rebalance struct {
	Rate int           `default:"200" help:"Interactive commands a second, over all lanes."`
	For  time.Duration `default:"15s" help:"How long to look at each change."`
	JSON bool          `name:"json" help:"Print the result as JSON."`
}

// change is something that happens to the workers, and how long the commands took
// meanwhile, in milliseconds.
type change struct {
	What string      `json:"what"`
	Took percentiles `json:"ms"`
}

// Run measures and prints.
func (r *rebalance) Run(ctx context.Context, t terminal) error {
	if r.Rate < 10 || r.Rate > 2000 || r.For < 2*time.Second || r.For > time.Hour {
		return fmt.Errorf("--rate %d, --for %v: choose 10 to 2000 commands a second, and two seconds to an hour", r.Rate, r.For)
	}
	return onServers(ctx, bed.Start, messages.StreamOptions{}, func(program program, b *bed.Bed) error { return r.measure(ctx, program, b, t) })
}

func (r *rebalance) measure(ctx context.Context, program program, b *bed.Bed, t terminal) (err error) {
	stays, err := program.start(b)
	if err != nil {
		return err
	}
	defer func() { err = stays.stop(err) }()
	if err := b.AwaitWorkers(ctx, 1); err != nil {
		return err
	}
	var comes *service // nil once it has ended
	defer func() {
		if comes != nil {
			err = comes.stop(err)
		}
	}()
	join := func() (err error) {
		comes, err = program.start(b)
		return err
	}
	leave := func(end func(*service) error) func() error {
		return func() error {
			leaving := comes
			comes = nil
			return end(leaving)
		}
	}
	stages := []stage{
		{"one worker", func() error { return nil }},
		{"a second one joins", join},
		{"it ends in an orderly way", leave(func(s *service) error { return s.stop(nil) })},
		{"another one joins", join},
		{"it is killed (its leases have to run out)", leave((*service).kill)},
	}
	commands := newPaced(r.Rate, len(stages), r.For)
	if err := commands.load.Load(ctx, b.Pool); err != nil {
		return err
	}
	return whileWorking(ctx, func(ctx context.Context) error { return commands.publish(ctx, b) }, func(ctx context.Context) error {
		var result []change
		for n, s := range stages {
			t.say("%s", s.what)
			if err := s.act(); err != nil {
				return err
			}
			took, err := commands.await(ctx, n)
			if err != nil {
				return err
			}
			result = append(result, change{s.what, percentilesOf(took)})
		}
		if err := errors.Join(commands.load.Check(ctx, b.Pool, commands.commands), b.DemandEvents(ctx, commands.commands)); err != nil {
			return err
		}
		return printChanges(t.out, result, r.JSON)
	})
}

type stage struct {
	what string
	act  func() error
}

func printChanges(out io.Writer, changes []change, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(changes)
	}
	text := "| Commands while | p50 ms | p99 ms | max ms |\n|---|--:|--:|--:|\n"
	for _, c := range changes {
		text += fmt.Sprintf("| %s | %.1f | %.1f | %.0f |\n", c.What, c.Took.P50, c.Took.P99, c.Took.Max)
	}
	_, err := io.WriteString(out, text)
	return err
}
