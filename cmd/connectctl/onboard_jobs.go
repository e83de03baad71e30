package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go"

	"connect-provider/cmd/internal/program"
	"connect-provider/messages"
)

// jobsQuestion is what list and show ask.
type jobsQuestion struct {
	Org  string       `required:"" placeholder:"HANDLE" help:"Organization's domain handle."`
	JSON bool         `name:"json" help:"Print a JSON document."`
	NATS natsSettings `embed:""`
	Log  program.Log  `embed:""`
}

func (q *jobsQuestion) log() program.Log { return q.Log }

func (q *jobsQuestion) problems(secrets *program.Secrets) []error {
	problems := q.NATS.problems(secrets)
	if _, err := messages.OrganizationFromHandle(q.Org); err != nil {
		problems = append(problems, fmt.Errorf("--org: %w", err))
	}
	return problems
}

func (q *jobsQuestion) ask(ctx context.Context, p process, jobs []string) ([]messages.JobOutcomes, error) {
	organization, err := messages.OrganizationFromHandle(q.Org)
	if err != nil {
		return nil, err
	}
	nc, _, err := q.NATS.connect(p.secrets)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	told, err := messages.AskJobs(ctx, nc, organization, jobs)
	if errors.Is(err, nats.ErrNoResponders) {
		return nil, fmt.Errorf("no worker answers on %s: none runs, or this user may not ask there", messages.OutcomesSubject(organization))
	}
	return told, err
}

// onboardListCommand lists jobs.
type onboardListCommand struct {
	jobsQuestion `embed:""`
}

func (c *onboardListCommand) run(ctx context.Context, p process) error {
	jobs, err := c.ask(ctx, p, nil)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(p.stdout, struct {
			Jobs []messages.JobOutcomes `json:"jobs"`
		}{append([]messages.JobOutcomes{}, jobs...)})
	}
	if len(jobs) == 0 {
		fmt.Fprintf(p.stdout, "No command of %s names a job.\n", program.Plain(c.Org))
		return nil
	}
	table := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "JOB\tFIRST\tLAST\tCONNECTED\tFAILED")
	for i := range jobs {
		job := &jobs[i]
		connected, failed := jobCounts(job)
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", shown(job.Job), job.FirstDecidedAt.UTC().Format(time.RFC3339), job.LastDecidedAt.UTC().Format(time.RFC3339),
			count(int(connected)), count(int(failed)))
	}
	return table.Flush()
}

// onboardShowCommand shows jobs.
type onboardShowCommand struct {
	Jobs         []string `arg:"" name:"job" placeholder:"JOB" help:"Names of jobs."`
	jobsQuestion `embed:""`
}

func (c *onboardShowCommand) problems(secrets *program.Secrets) []error {
	problems := c.jobsQuestion.problems(secrets)
	if _, err := messages.EncodeJobsRequest(c.Jobs); err != nil {
		problems = append(problems, err)
	}
	return problems
}

func (c *onboardShowCommand) run(ctx context.Context, p process) error {
	jobs, err := c.ask(ctx, p, c.Jobs)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for i := range jobs {
		known[jobs[i].Job] = true
	}
	var unknown []string
	for _, name := range c.Jobs {
		if !known[name] {
			unknown = append(unknown, program.Plain(name))
		}
	}
	if c.JSON {
		if err := printJSON(p.stdout, struct {
			Jobs []messages.JobOutcomes `json:"jobs"`
		}{append([]messages.JobOutcomes{}, jobs...)}); err != nil {
			return err
		}
	} else {
		for i := range jobs {
			printJob(p.stdout, &jobs[i])
		}
	}
	if len(unknown) > 0 {
		return fmt.Errorf("no command of %s that is remembered names the job %s", program.Plain(c.Org), strings.Join(unknown, ", "))
	}
	return nil
}

func printJob(to io.Writer, job *messages.JobOutcomes) {
	connected, failed := jobCounts(job)
	fmt.Fprintf(to, "job        %s\n", shown(job.Job))
	fmt.Fprintf(to, "first      %s\n", job.FirstDecidedAt.UTC().Format(time.RFC3339))
	fmt.Fprintf(to, "last       %s\n", job.LastDecidedAt.UTC().Format(time.RFC3339))
	fmt.Fprintf(to, "connected  %s", count(int(connected)))
	if unchanged := job.Commands[messages.JobUnchanged]; unchanged > 0 {
		fmt.Fprintf(to, " (%s of them as they were already)", count(int(unchanged)))
	}
	fmt.Fprintf(to, "\nfailed     %s\n", count(int(failed)))
	for _, code := range slices.Sorted(maps.Keys(job.Commands)) {
		if code != messages.JobConnected && code != messages.JobUnchanged {
			fmt.Fprintf(to, "           %s %s\n", count(int(job.Commands[code])), shown(code))
		}
	}
}

// jobCounts adds up what was connected and what failed.
func jobCounts(job *messages.JobOutcomes) (connected, failed int64) {
	for code, n := range job.Commands {
		if code == messages.JobConnected || code == messages.JobUnchanged {
			connected += n
		} else {
			failed += n
		}
	}
	return connected, failed
}
