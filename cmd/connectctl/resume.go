package main

import (
	"context"
	"fmt"

	"connect-provider/cmd/internal/connection"
	"connect-provider/cmd/internal/program"
	"connect-provider/worker"
)

type resumeCommand struct {
	Scope    pauseScope          `embed:""`
	Database connection.Database `embed:""`
	NATS     natsSettings        `embed:""`
	Log      program.Log         `embed:""`
}

func (c *resumeCommand) log() program.Log { return c.Log }

func (c *resumeCommand) problems(secrets *program.Secrets) []error {
	problems := append(c.Database.Resolve(secrets), c.NATS.problems(secrets)...)
	return append(problems, c.Scope.problems()...)
}

// run ends pauses and tells the workers. They notice within a second where NATS
// can't be reached.
func (c *resumeCommand) run(ctx context.Context, p process) error {
	pool, err := openDatabase(ctx, &c.Database)
	if err != nil {
		return err
	}
	defer pool.Close()
	resumed := 0
	for _, wanted := range c.Scope.pauses() {
		ended, err := worker.EndPause(ctx, pool, wanted.Class, wanted.OrgToken)
		if err != nil {
			return err
		}
		if ended == nil {
			fmt.Fprintf(p.stdout, "%-10s %s was not paused\n", "unchanged", wanted.Subject())
			continue
		}
		resumed++
		fmt.Fprintf(p.stdout, "%-10s %s\n", "resumed", described(*ended))
	}
	if resumed > 0 {
		nudge(&c.NATS, p, "within a second")
	}
	remaining, err := worker.Pauses(ctx, pool)
	if err != nil {
		return err
	}
	for _, wanted := range c.Scope.pauses() {
		for _, pause := range remaining {
			if pause.Class == wanted.Class && (pause.OrgToken == "" || wanted.OrgToken == "") {
				fmt.Fprintf(p.stdout, "note       still: %s\n", described(pause))
			}
		}
	}
	return nil
}

// nudge has the workers look at once for what was changed, or says when they
// will by themselves.
func nudge(settings *natsSettings, p process, orElse string) {
	nc, _, err := settings.connect(p.secrets)
	if err == nil {
		err = worker.Nudge(nc)
		nc.Close()
	}
	if err != nil {
		fmt.Fprintf(p.stdout, "note       the workers could not be told (%v); they notice %s\n", err, orElse)
	}
}
