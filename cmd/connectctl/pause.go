package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"connect-provider/cmd/internal/connection"
	"connect-provider/cmd/internal/program"
	"connect-provider/messages"
	"connect-provider/worker"
)

// pauseScope is what pause and resume are about: a class, an organization in
// one class, or in both.
type pauseScope struct {
	Class string `placeholder:"CLASS" help:"Traffic class, interactive or bulk; with --org only the organization's commands in it (default both)."`
	Org   string `placeholder:"HANDLE" help:"Organization's domain handle."`
}

func (s pauseScope) problems() []error {
	var problems []error
	if s.Class == "" && s.Org == "" {
		problems = append(problems, errors.New("nothing is named: give --class, --org or both"))
	}
	if s.Class != "" {
		_, err := classOf(s.Class)
		problems = append(problems, err)
	}
	if s.Org != "" {
		if _, err := messages.OrganizationFromHandle(s.Org); err != nil {
			problems = append(problems, fmt.Errorf("--org: %w", err))
		}
	}
	return problems
}

// pauses returns the pauses that the scope means. Call it after problems.
func (s pauseScope) pauses() []worker.Pause {
	var token string
	if s.Org != "" {
		organization, _ := messages.OrganizationFromHandle(s.Org)
		token = organization.Token
	}
	var pauses []worker.Pause
	for _, class := range messages.Classes() {
		if s.Class == "" || s.Class == class.String() {
			pauses = append(pauses, worker.Pause{Class: class, OrgToken: token})
		}
	}
	return pauses
}

// args are the scope's flags, to be typed again.
func (s pauseScope) args() string {
	var args []string
	if s.Class != "" {
		args = append(args, "--class "+s.Class)
	}
	if s.Org != "" {
		args = append(args, "--org "+s.Org)
	}
	return strings.Join(args, " ")
}

type pauseCommand struct {
	Scope    pauseScope          `embed:""`
	Reason   string              `placeholder:"TEXT" help:"Why, for whoever finds the pause."`
	List     bool                `help:"List what is paused, and pause nothing."`
	Yes      bool                `help:"Pause also where other organizations have to wait as well."`
	Wait     time.Duration       `default:"30s" placeholder:"DURATION" help:"Longest wait for the batches that began before the pause (default 30s)."`
	Database connection.Database `embed:""`
	Log      program.Log         `embed:""`
}

func (c *pauseCommand) log() program.Log { return c.Log }

func (c *pauseCommand) problems(secrets *program.Secrets) []error {
	problems := c.Database.Resolve(secrets)
	if c.List {
		if c.Scope != (pauseScope{}) || c.Reason != "" {
			problems = append(problems, errors.New("--list goes by itself: it lists all that is paused"))
		}
		return problems
	}
	problems = append(problems, c.Scope.problems()...)
	if strings.TrimSpace(c.Reason) == "" {
		problems = append(problems, errors.New("--reason is missing: say why, for whoever finds the pause"))
	}
	if c.Wait <= 0 {
		problems = append(problems, fmt.Errorf("--wait %s: give more than 0", c.Wait))
	}
	return problems
}

// run pauses. When it returns nil, nothing of what is paused is decided any
// more, not by a batch that was under way either.
func (c *pauseCommand) run(ctx context.Context, p process) error {
	pool, err := openDatabase(ctx, &c.Database)
	if err != nil {
		return err
	}
	defer pool.Close()
	standing, err := worker.Pauses(ctx, pool)
	if err != nil {
		return err
	}
	if c.List {
		return c.list(p, standing)
	}
	fresh := 0
	for _, wanted := range c.Scope.pauses() {
		if find(standing, wanted) == nil {
			fresh++
		}
	}
	if c.Scope.Org != "" && fresh > 0 {
		if err := c.checkNeighbours(ctx, p, pool); err != nil {
			return err
		}
	}
	for _, wanted := range c.Scope.pauses() {
		wanted.Reason = c.Reason
		bounded, cancel := context.WithTimeout(ctx, c.Wait)
		set, err := worker.SetPause(bounded, pool, wanted)
		cancel()
		switch earlier := find(standing, wanted); {
		case set:
			fmt.Fprintf(p.stdout, "%-10s %s: %s\n", "paused", wanted.Subject(), printable(wanted.Reason))
		case earlier != nil:
			fmt.Fprintf(p.stdout, "%-10s %s\n", "unchanged", described(*earlier))
		default: // somebody has been quicker
			fmt.Fprintf(p.stdout, "%-10s %s was paused a moment ago\n", "unchanged", wanted.Subject())
		}
		if err != nil && set {
			return fmt.Errorf("%s is paused, but it can't be told whether a batch that began before still decides some of it: %w; run the command again to be sure", wanted.Subject(), err)
		}
		if err != nil {
			return err
		}
	}
	fmt.Fprintf(p.stdout, "Nothing of it is decided from now on. Its commands are accepted and wait in their stream, and whatever stands behind them in a lane waits with them. To go on: %s resume %s\n", self(), c.Scope.args())
	return nil
}

func (c *pauseCommand) list(p process, pauses []worker.Pause) error {
	if len(pauses) == 0 {
		fmt.Fprintln(p.stdout, "Nothing is paused.")
	}
	for _, pause := range pauses {
		fmt.Fprintln(p.stdout, described(pause))
	}
	return nil
}

// checkNeighbours tells who has to wait as well: a lane decides nothing out of
// order, so all of it waits from the organization's first command on.
func (c *pauseCommand) checkNeighbours(ctx context.Context, p process, pool *pgxpool.Pool) error {
	var known bool
	if err := pool.QueryRow(ctx, statement("organization_known"), c.Scope.Org).Scan(&known); err != nil {
		return fmt.Errorf("organization %s: %w", c.Scope.Org, err)
	}
	if !known {
		fmt.Fprintf(p.stdout, "note       the platform has no organization %s: is it spelled as in the platform?\n", c.Scope.Org)
	}
	var lanes []string
	token := ""
	for _, pause := range c.Scope.pauses() {
		token = pause.OrgToken
		partitions, err := worker.PartitionsOf(ctx, pool, pause.Class, token)
		if err != nil {
			return err
		}
		for _, partition := range partitions {
			lanes = append(lanes, messages.Lane{Class: pause.Class, Number: partition}.String())
		}
	}
	var others int
	var busiest []string
	if err := pool.QueryRow(ctx, statement("neighbours"), lanes, token).Scan(&others, &busiest); err != nil {
		return fmt.Errorf("other organizations in lanes %s: %w", strings.Join(lanes, " and "), err)
	}
	if others == 0 {
		fmt.Fprintf(p.stdout, "note       no other organization had commands decided in %s within 24 h\n", laneList(lanes))
		return nil
	}
	question := fmt.Sprintf("%d other %s had commands decided in %s within 24 h (%s): from the first paused command on they wait as well, since a lane keeps its order",
		others, plural(others, "organization", "organizations"), laneList(lanes), someOf(handles(busiest), others))
	if c.Yes {
		fmt.Fprintln(p.stdout, "note      ", question)
	}
	return p.confirm(c.Yes, question)
}

func laneList(lanes []string) string {
	return plural(len(lanes), "lane ", "lanes ") + strings.Join(lanes, " and ")
}

// someOf lists the names that are at hand of a number of them.
func someOf(names []string, all int) string {
	if more := all - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func handles(tokens []string) []string {
	names := make([]string, len(tokens))
	for i, token := range tokens {
		names[i] = handleOf(token)
	}
	return names
}

// handleOf returns an organization's handle by its token, or the token where it
// encodes none.
func handleOf(token string) string {
	if o := messages.OrganizationFromKey(token); o.Canonical() {
		return o.Handle
	}
	return token
}

func find(pauses []worker.Pause, wanted worker.Pause) *worker.Pause {
	for i := range pauses {
		if pauses[i].Class == wanted.Class && pauses[i].OrgToken == wanted.OrgToken {
			return &pauses[i]
		}
	}
	return nil
}

func described(pause worker.Pause) string {
	return fmt.Sprintf("%s, paused since %s: %s", pause.Subject(), moment(pause.Since), printable(pause.Reason))
}

// moment writes a time as all commands do, so that it can be given to --since.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
