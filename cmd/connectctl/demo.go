package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"connect-provider/cmd/internal/program"
	"connect-provider/deploy/demo"
	"connect-provider/deploy/local"
	"connect-provider/messages"
)

const (
	mostCommands = 5_000_000
	// latencySamples is how many commands are published one by one, each after
	// the outcome of the one before.
	latencySamples = 200
	// stalled is after how long without an outcome the demo gives up.
	stalled = 30 * time.Second
)

type demoCommand struct {
	Commands int              `default:"10000" placeholder:"N" help:"How many valid commands to publish in bulk (default 10000)."`
	Keep     bool             `help:"Stay up afterwards, until interrupted, and tell what to try."`
	Postgres postgresSettings `embed:""`
	Log      program.Log      `embed:""`
}

func (c *demoCommand) log() program.Log { return c.Log }

func (c *demoCommand) problems(secrets *program.Secrets) []error {
	problems := c.Postgres.problems(secrets)
	if c.Commands < 0 || c.Commands > mostCommands {
		problems = append(problems, fmt.Errorf("--commands %d: choose between 0 and %d", c.Commands, mostCommands))
	}
	return problems
}

// run stands the system up, has it work, and checks what it promises. It
// returns an error if a promise was broken.
func (c *demoCommand) run(ctx context.Context, p process) (err error) {
	dir, remove, err := local.TempDir("connectctl-demo")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	screen := newScreen(p.stdout)
	screen.step("Starting NATS and Postgres, creating the schemas and the streams")
	s, err := startSystem(ctx, local.Options{
		Dir: filepath.Join(dir, "system"), PostgresBin: c.Postgres.Bin, DatabaseURL: c.Postgres.DatabaseURL, Logger: p.logger,
	}, c.streams())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.isUnused(ctx); err != nil {
		return err
	}
	show := newShow(s, screen, c.Commands)
	if err := show.play(ctx); err != nil {
		if ctx.Err() != nil {
			return errors.New("interrupted before the end")
		}
		return err
	}
	if !c.Keep {
		return nil
	}
	screen.tryNext(s)
	return s.wait(ctx)
}

// streams have room for the commands and their events, and little more: a
// server reserves it at once.
func (c *demoCommand) streams() messages.StreamOptions {
	bytes := func(each int64) int64 { return 64<<20 + each*int64(c.Commands) }
	return messages.StreamOptions{InteractiveMaxBytes: 64 << 20, BulkMaxBytes: bytes(1 << 10), EventsMaxBytes: bytes(2 << 10)}
}

// show is what the demo shows.
type show struct {
	system *system
	screen *screen
	fleet  demo.Fleet
	bulk   int
	ledger *ledger
	feed   *feed
}

func newShow(s *system, screen *screen, commands int) *show {
	return &show{
		system: s, screen: screen, bulk: commands, ledger: newLedger(),
		fleet: demo.Fleet{Organizations: min(max(commands/100, 5), 1000), Numbers: commands + latencySamples},
	}
}

func (s *show) play(ctx context.Context) error {
	s.screen.step("Loading acme, globex, example.com and %s organizations with %s numbers", count(s.fleet.Organizations), count(s.fleet.Numbers))
	if err := s.fleet.Load(ctx, s.system.pool); err != nil {
		return err
	}
	var err error
	if s.feed, err = follow(ctx, s.system.js); err != nil {
		return err
	}
	defer s.feed.close()
	s.screen.step("Publishing a command for each outcome that a command can have")
	if err := s.playScript(ctx); err != nil {
		return err
	}
	speed, err := s.playFleet(ctx)
	if err != nil {
		return err
	}
	s.screen.step("Publishing %d commands one by one, each after the outcome of the one before", latencySamples)
	latencies, err := s.playLatencies(ctx)
	if err != nil {
		return err
	}
	s.screen.step("Stopping the worker and reading the events stream from its beginning")
	if err := s.system.stopWorker(); err != nil {
		return err
	}
	audit, err := s.ledger.audit(ctx, s.system.js)
	if err != nil {
		return err
	}
	if err := s.system.startWorker(ctx); err != nil {
		return err
	}
	s.screen.done()
	s.screen.report(audit, speed, latencies)
	return audit.verdict()
}
