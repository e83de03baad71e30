package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cenkalti/backoff/v4"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/cmd/internal/connection"
	"connect-provider/cmd/internal/onboard"
	"connect-provider/cmd/internal/program"
	"connect-provider/messages"
)

// onboardCommand runs a file, or tells of past jobs.
type onboardCommand struct {
	Run  onboardRunCommand  `cmd:"" default:"withargs" help:"Run a file (the word run may be left out)."`
	List onboardListCommand `cmd:"" help:"List past jobs of an organization."`
	Show onboardShowCommand `cmd:"" help:"Show how jobs came out."`
}

type onboardRunCommand struct {
	File        string            `arg:"" placeholder:"FILE" help:"CSV with a header, or JSONL, gzipped or not; - is standard input."`
	Org         string            `placeholder:"HANDLE" help:"Organization of rows that name none (org_handle)."`
	Job         string            `placeholder:"NAME" help:"Names the run: a row under the same name is the same command (default: the digest of the content)."`
	Map         map[string]string `mapsep:"none" placeholder:"MEMBER=COLUMN" help:"Name of a column, as in phone_number=Telefon; may be given several times."`
	RetryFailed bool              `help:"Send rows again that failed earlier, under new command ids."`
	DryRun      bool              `help:"Publish and write nothing: print the rows that would fail now, and why."`
	Report      string            `default:"failed" placeholder:"ROWS" help:"Rows in the report: failed, or all, which makes a second one (default failed)."`
	Format      string            `placeholder:"FORM" help:"Form of the report, csv or jsonl (default that of the file)."`
	Out         string            `placeholder:"PATH" help:"Beginning of the reports' names (default FILE; for standard input onboard-JOB)."`
	Rate        int               `placeholder:"N" help:"Publish at most so many rows a second (default as many as can be)."`
	MaxInFlight int               `default:"20000" placeholder:"N" help:"Most rows that are published and undecided (default 20000)."`
	Timeout     time.Duration     `placeholder:"DURATION" help:"End, with rows undecided, when nothing went on for so long (default never)."`
	JSON        bool              `name:"json" help:"Print a summary as a JSON document."`
	NATS        natsSettings      `embed:""`
	Log         program.Log       `embed:""`
}

func (c *onboardRunCommand) log() program.Log { return c.Log }

func (c *onboardRunCommand) problems(secrets *program.Secrets) []error {
	problems := c.NATS.problems(secrets)
	if c.Org != "" {
		if _, err := messages.OrganizationFromHandle(c.Org); err != nil {
			problems = append(problems, fmt.Errorf("--org: %w", err))
		}
	}
	if len(c.Job) > onboard.MaxJobName || !utf8.ValidString(c.Job) || strings.ContainsFunc(c.Job, unicode.IsControl) {
		problems = append(problems, fmt.Errorf("--job: give a name of at most %d bytes, without control characters", onboard.MaxJobName))
	}
	for _, member := range slices.Sorted(maps.Keys(c.Map)) {
		if !slices.Contains(onboard.MemberNames(), member) || c.Map[member] == "" {
			problems = append(problems, fmt.Errorf("--map %s=%s: choose a member of %s, and the name of its column", member, c.Map[member], strings.Join(onboard.MemberNames(), ", ")))
		}
	}
	if c.Report != "failed" && c.Report != "all" {
		problems = append(problems, fmt.Errorf("--report %q: choose failed or all", c.Report))
	}
	if form := onboard.Form(c.Format); form != "" && form != onboard.CSV && form != onboard.JSONL {
		problems = append(problems, fmt.Errorf("--format %q: choose csv or jsonl", c.Format))
	}
	if c.Rate < 0 {
		problems = append(problems, fmt.Errorf("--rate %d: give more than 0", c.Rate))
	}
	if c.MaxInFlight <= 0 {
		problems = append(problems, fmt.Errorf("--max-in-flight %d: give more than 0", c.MaxInFlight))
	}
	if c.Timeout < 0 {
		problems = append(problems, fmt.Errorf("--timeout %s: give more than 0", c.Timeout))
	}
	return problems
}

// drainTimeout is how long an interrupted run waits for an outcome without one
// coming.
const drainTimeout = 15 * time.Second

// run reads the file once before it connects: what can't be read is known then.
func (c *onboardRunCommand) run(ctx context.Context, p process) error {
	input, err := onboard.OpenInput(c.File, os.Stdin, c.Map)
	if err != nil {
		return program.Exit(program.ExitUsage, fmt.Errorf("%s: %w", c.File, err))
	}
	defer input.Close() //nolint:errcheck // it was read only
	form, err := input.ReportForm(onboard.Form(c.Format))
	if err != nil {
		return program.Exit(program.ExitUsage, fmt.Errorf("--format: %w", err))
	}
	survey, err := input.Survey(c.Org)
	if err != nil {
		return program.Exit(program.ExitUsage, fmt.Errorf("%s: %w", c.File, err))
	}
	if c.Job == "" {
		c.Job = survey.JobName()
	}
	nc, js, err := c.connect(ctx, p)
	if err != nil {
		return err
	}
	defer nc.Close()
	o := onboarding{
		command: c, process: p, input: input, survey: survey, form: form, out: c.out(), began: time.Now(),
		platform: newPlatform(js, p.logger), maxPayload: nc.MaxPayload(),
	}
	if c.DryRun {
		return o.dryRun(ctx)
	}
	return o.publish(ctx)
}

// connectPatience is how long NATS may be away at the beginning: a server that is
// started again takes a moment, and a wrong address is to be told.
const connectPatience = 20 * time.Second

func (c *onboardRunCommand) connect(ctx context.Context, p process) (*nats.Conn, jetstream.JetStream, error) {
	pause := backoff.NewExponentialBackOff(backoff.WithInitialInterval(200*time.Millisecond), backoff.WithMaxInterval(2*time.Second),
		backoff.WithMaxElapsedTime(connectPatience))
	told := false
	for {
		nc, js, err := c.NATS.connect(p.secrets, connection.Lasting(p.logger)...)
		if err == nil || !isAway(err) {
			return nc, js, err
		}
		wait := pause.NextBackOff()
		if wait == backoff.Stop {
			return nil, nil, err
		}
		if !told {
			told = true
			fmt.Fprintf(p.stderr, "waiting for NATS at %s\n", connection.MaskURL(c.NATS.URL))
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, nil, err
		}
	}
}

// isAway tells a server that is not there, or is just starting or ending, from one
// that refuses.
func isAway(err error) bool {
	var network net.Error
	return errors.Is(err, nats.ErrNoServers) || errors.Is(err, io.EOF) || errors.As(err, &network)
}

func (c *onboardRunCommand) out() string {
	switch {
	case c.Out != "":
		return c.Out
	case c.File == "-":
		return "onboard-" + c.Job
	}
	return c.File
}

// onboarding is one run of a file.
type onboarding struct {
	command    *onboardRunCommand
	process    process
	input      *onboard.Input
	survey     onboard.Survey
	form       onboard.Form
	out        string
	began      time.Time
	platform   onboard.Platform
	maxPayload int64
}

func (o *onboarding) options() onboard.Options {
	return onboard.Options{
		Job: onboard.Job{Name: o.command.Job, Organization: o.command.Org}, StateFile: o.out + ".onboard",
		RetryFailed: o.command.RetryFailed, MaxInFlight: o.command.MaxInFlight, Rate: o.command.Rate,
		Timeout: o.command.Timeout, DrainTimeout: drainTimeout, Logger: o.process.logger,
	}
}

// publish runs the file and writes the reports, also of what an interrupted run
// has come to.
func (o *onboarding) publish(ctx context.Context) error {
	run, err := onboard.NewRun(o.input, o.survey, o.platform, o.options())
	if err != nil {
		return err
	}
	defer run.Close() //nolint:errcheck // what is not written is asked for again
	progress := startProgress(o.process.stderr, o.command.Job, run.Progress)
	err = run.Do(ctx)
	progress.stop()
	if err != nil && !errors.Is(err, onboard.ErrUndecided) {
		return fmt.Errorf("%w; run it again to go on", err)
	}
	undecided := err != nil
	reports := []onboard.ReportTo{{Path: o.out + ".failed." + string(o.form), Form: o.form}}
	if o.command.Report == "all" {
		reports = append(reports, onboard.ReportTo{Path: o.out + ".outcomes." + string(o.form), Form: o.form, All: true})
	}
	if _, err := run.Report(reports...); err != nil {
		return err
	}
	if !undecided {
		if err := run.Forget(); err != nil {
			return err
		}
	}
	counts := run.Progress().Counts
	summary := counts.Summarize(o.command.Job, o.command.File)
	summary.Resumed, summary.Interrupted, summary.Seconds = run.Resumed(), ctx.Err() != nil, o.seconds()
	summary.Reports = map[string]string{"failed": reports[0].Path}
	if len(reports) > 1 {
		summary.Reports["all"] = reports[1].Path
	}
	return o.end(&counts, summary)
}

func (o *onboarding) seconds() float64 { return time.Since(o.began).Round(time.Millisecond).Seconds() }

// dryRun prints rows on standard output, or, with --json, only counts.
func (o *onboarding) dryRun(ctx context.Context) error {
	dry := onboard.NewDryRun(o.input, o.survey, o.platform, o.maxPayload, o.options())
	to := o.process.stdout
	if o.command.JSON {
		to = io.Discard
	}
	told := newTold(o.process.stderr)
	err := dry.Do(ctx, to, o.form, o.command.Report == "all", told.dryRun)
	if err != nil {
		return err
	}
	counts := dry.Counts()
	summary := counts.Summarize(o.command.Job, o.command.File)
	summary.DryRun, summary.Seconds = true, o.seconds()
	return o.end(&counts, summary)
}

// end tells what came of it and returns the error that ends the process with its
// code.
func (o *onboarding) end(counts *onboard.Counts, summary onboard.Summary) error {
	if o.command.JSON {
		if err := printJSON(o.process.stdout, summary); err != nil {
			return err
		}
	}
	for _, line := range o.lastLines(counts, summary) {
		fmt.Fprintln(o.process.stderr, program.Plain(line))
	}
	switch {
	case counts.Undecided() > 0:
		return program.Quiet(exitUndecided)
	case counts.Failed > 0:
		return program.Quiet(exitFailed)
	}
	return nil
}
