package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"connect-provider/cmd/internal/bench"
	"connect-provider/cmd/internal/connection"
	"connect-provider/cmd/internal/program"
)

// exitNotComparable says that all was measured, but that what was written could
// be lost with the machine's power, so that no throughput is told.
const exitNotComparable = 3

// benchCommand measures how fast a whole system is.
type benchCommand struct {
	Throughput benchThroughputCommand `cmd:"" help:"How fast commands are decided that are in the stream already."`
	Pipeline   benchPipelineCommand   `cmd:"" help:"How fast commands are published and decided."`
	Latency    benchLatencyCommand    `cmd:"" help:"How long a single command takes, one at a time and at fixed rates."`
	Remove     benchRemoveCommand     `cmd:"" help:"Remove from a database what a benchmark that was killed has left there."`
	NATS       benchNATSCommand       `cmd:"" name:"nats" hidden:"" help:"The server of an embedded system."`
	Worker     benchWorkerCommand     `cmd:"" hidden:"" help:"A worker of an embedded system."`
}

// benchSettings are those of all modes.
type benchSettings struct {
	Organizations int                 `default:"100" placeholder:"N" help:"Organizations that the commands are of (default 100)."`
	Workers       int                 `default:"1" placeholder:"N" help:"Workers of an embedded system (default 1)."`
	JSON          bool                `name:"json" help:"Print the report as a JSON document."`
	Plot          string              `placeholder:"FILE" help:"Write the report with its charts to an HTML page."`
	PostgresBin   string              `name:"postgres-bin" placeholder:"DIR" help:"Directory of the Postgres programs of an embedded system (default: found on PATH and in the usual places, else downloaded)."`
	Yes           bool                `help:"Measure the system that --database-url names without asking."`
	MetricsURL    []string            `name:"metrics-url" placeholder:"URL" help:"Metrics of a worker of that system, as in http://host:8080/metrics; may be given several times. Without it, nothing is known of what workers do and use."`
	Monitoring    string              `placeholder:"URL" help:"NATS' monitoring endpoint, as in http://host:8222, which knows whether JetStream syncs."`
	Database      connection.Database `embed:""`
	NATS          natsSettings        `embed:""`
	Log           program.Log         `embed:""`
}

func (s *benchSettings) log() program.Log { return s.Log }

// elsewhere tells whether a system is named.
func (s *benchSettings) elsewhere() bool { return s.Database.URL != "" || s.Database.URLFile != "" }

func (s *benchSettings) problems(secrets *program.Secrets) []error {
	var problems []error
	between := func(flag string, value, least, most int) {
		if value < least || value > most {
			problems = append(problems, fmt.Errorf("%s %d: choose between %d and %d", flag, value, least, most))
		}
	}
	between("--organizations", s.Organizations, 1, 10_000)
	between("--workers", s.Workers, 1, 32)
	if dir := filepath.Dir(s.Plot); s.Plot != "" {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			problems = append(problems, fmt.Errorf("--plot %s: there is no directory %s", s.Plot, dir))
		}
	}
	for _, address := range append([]string{s.Monitoring}, s.MetricsURL...) {
		if u, err := url.Parse(address); address != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
			problems = append(problems, fmt.Errorf("%q is no address: give it as in http://127.0.0.1:8080/metrics", address))
		}
	}
	if s.elsewhere() {
		problems = append(append(problems, s.Database.Resolve(secrets)...), s.NATS.problems(secrets)...)
		if s.Workers != 1 {
			problems = append(problems, errors.New("--workers are those of an embedded system; that which --database-url names has its own"))
		}
		return problems
	}
	if s.NATS.Context != "" || s.NATS.NATS.URL != connection.DefaultNATSURL {
		problems = append(problems, errors.New("NATS is named and no database: give --database-url (DATABASE_URL) as well, or neither, to measure an embedded system"))
	}
	if s.Monitoring != "" || len(s.MetricsURL) > 0 {
		problems = append(problems, errors.New("--monitoring and --metrics-url are of a system elsewhere: give --database-url as well"))
	}
	return problems
}

type benchThroughputCommand struct {
	Commands int           `default:"100000" placeholder:"N" help:"Commands of a round (default 100000)."`
	Rounds   int           `default:"1" placeholder:"N" help:"How often it is measured, each time with other organizations (default 1)."`
	Class    string        `default:"bulk" placeholder:"CLASS" help:"Traffic class, interactive or bulk (default bulk)."`
	Settings benchSettings `embed:""`
}

func (c *benchThroughputCommand) log() program.Log { return c.Settings.log() }

func (c *benchThroughputCommand) problems(secrets *program.Secrets) []error {
	return append(benchProblems(c.Commands, c.Rounds, c.Class), c.Settings.problems(secrets)...)
}

func (c *benchThroughputCommand) run(ctx context.Context, p process) error {
	class, _ := classOf(c.Class) // problems has seen to it
	return c.Settings.measure(ctx, p, bench.Options{Mode: bench.Throughput, Class: class, Commands: c.Commands, Rounds: c.Rounds})
}

// benchPipelineCommand has the flags of throughput.
type benchPipelineCommand struct {
	benchThroughputCommand `embed:""`
}

func (c *benchPipelineCommand) run(ctx context.Context, p process) error {
	class, _ := classOf(c.Class) // problems has seen to it
	return c.Settings.measure(ctx, p, bench.Options{Mode: bench.Pipeline, Class: class, Commands: c.Commands, Rounds: c.Rounds})
}

type benchLatencyCommand struct {
	Commands int           `default:"2000" placeholder:"N" help:"Commands that are published one at a time, each after the outcome of the one before (default 2000)."`
	Rate     []int         `placeholder:"N,..." help:"Rates at which commands are published, in commands a second, whether outcomes come or not; latencies count from when a command was to be sent."`
	Duration time.Duration `default:"10s" placeholder:"DURATION" help:"How long each rate is kept (default 10s)."`
	Class    string        `default:"interactive" placeholder:"CLASS" help:"Traffic class, interactive or bulk (default interactive)."`
	Settings benchSettings `embed:""`
}

func (c *benchLatencyCommand) log() program.Log { return c.Settings.log() }

func (c *benchLatencyCommand) problems(secrets *program.Secrets) []error {
	problems := benchProblems(c.Commands, 1, c.Class)
	if c.Duration < 100*time.Millisecond || c.Duration > time.Hour {
		problems = append(problems, fmt.Errorf("--duration %s: choose between 100ms and 1h", c.Duration))
	}
	for _, rate := range c.Rate {
		if rate < 1 || rate > 100_000 {
			problems = append(problems, fmt.Errorf("--rate %d: choose between 1 and 100000 commands a second", rate))
		}
	}
	return append(problems, c.Settings.problems(secrets)...)
}

func (c *benchLatencyCommand) run(ctx context.Context, p process) error {
	class, _ := classOf(c.Class) // problems has seen to it
	return c.Settings.measure(ctx, p, bench.Options{Mode: bench.Latency, Class: class, Commands: c.Commands, Rates: c.Rate, Duration: c.Duration})
}

const mostBenchCommands = 10_000_000

func benchProblems(commands, rounds int, class string) []error {
	var problems []error
	if commands < 1 || commands > mostBenchCommands {
		problems = append(problems, fmt.Errorf("--commands %d: choose between 1 and %d", commands, mostBenchCommands))
	}
	if rounds < 1 || rounds > 100 {
		problems = append(problems, fmt.Errorf("--rounds %d: choose between 1 and 100", rounds))
	}
	_, err := classOf(class)
	return append(problems, err)
}

// measure stands the system up, or connects with the one that is named, measures
// it, and tells what was found.
func (s *benchSettings) measure(ctx context.Context, p process, o bench.Options) (err error) {
	o.Organizations, o.Name = s.Organizations, bench.NewName()
	screen := newScreen(p.stderr)
	start := s.embed
	if s.elsewhere() {
		if err := s.ask(p, o); err != nil {
			return err
		}
		start = s.connect
	}
	system, end, err := start(ctx, p, o, screen)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	report, err := bench.Measure(ctx, system, o, screen.step)
	screen.done()
	if ctx.Err() != nil {
		err = errors.New("interrupted before the end")
	}
	if err != nil {
		tellStays(p.stderr, report)
		return err
	}
	return s.tell(p, report)
}

// ask makes sure that a system which others may use is meant.
func (s *benchSettings) ask(p process, o bench.Options) error {
	question := fmt.Sprintf("the system of the database %s gets %d organizations, whose names begin with %s, and their commands",
		connection.MaskURL(s.Database.PoolURL()), o.Organizations, o.Name)
	if o.Mode == bench.Throughput {
		question += "; while these are published, they are paused, and whatever stands behind them in a lane waits as well, of whomever"
	}
	if err := p.confirm(s.Yes, question); err != nil {
		return fmt.Errorf("%w; without DATABASE_URL an embedded system is measured", err)
	}
	fmt.Fprintf(p.stderr, "Should this be killed, `%s bench remove %s` removes what it leaves.\n", self(), o.Name)
	return nil
}

// tell prints the report.
func (s *benchSettings) tell(p process, report *bench.Report) error {
	if s.Plot != "" {
		page, err := bench.Plot(report)
		if err == nil {
			err = os.WriteFile(s.Plot, page, 0o644)
		}
		if err != nil {
			return fmt.Errorf("--plot: %w", err)
		}
	}
	if s.JSON {
		encoder := json.NewEncoder(p.stdout)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(report); err != nil {
			return err
		}
	} else {
		benchText{report}.write(p.stdout)
	}
	if !report.Comparable {
		return program.Quiet(exitNotComparable) // the report says so
	}
	return nil
}

type benchRemoveCommand struct {
	Name     string              `arg:"" placeholder:"NAME" help:"The benchmark's name, which it has told at its beginning, such as connectctl-bench-0123abcd."`
	Database connection.Database `embed:""`
	Log      program.Log         `embed:""`
}

func (c *benchRemoveCommand) log() program.Log { return c.Log }

func (c *benchRemoveCommand) problems(secrets *program.Secrets) []error {
	problems := c.Database.Resolve(secrets)
	if !bench.IsName(c.Name) {
		problems = append(problems, fmt.Errorf("NAME: %q is not the name of a benchmark, such as connectctl-bench-0123abcd", c.Name))
	}
	return problems
}

func (c *benchRemoveCommand) run(ctx context.Context, p process) error {
	pool, err := openDatabase(ctx, &c.Database)
	if err != nil {
		return err
	}
	defer pool.Close()
	found, err := bench.Remove(ctx, pool, c.Name)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "removed %d %s and what was made of their commands in the database\n", found, plural(found, "organization", "organizations"))
	return nil
}
