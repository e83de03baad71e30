package main

import (
	"context"
	"fmt"

	"connect-provider/cmd/internal/connection"
	"connect-provider/cmd/internal/program"
)

type letterDiscardCommand struct {
	Selection letterSelection     `embed:""`
	Yes       bool                `help:"Discard them without being asked."`
	Database  connection.Database `embed:""`
	Log       program.Log         `embed:""`
}

func (c *letterDiscardCommand) log() program.Log { return c.Log }

func (c *letterDiscardCommand) problems(secrets *program.Secrets) []error {
	return append(c.Database.Resolve(secrets), c.Selection.problems(true)...)
}

// run deletes dead letters, each in a transaction of its own: what was reported
// is gone, also where a later one fails.
func (c *letterDiscardCommand) run(ctx context.Context, p process) error {
	pool, err := openDatabase(ctx, &c.Database)
	if err != nil {
		return err
	}
	defer pool.Close()
	letters, err := c.Selection.find(ctx, pool)
	if err != nil {
		return err
	}
	if len(letters) == 0 {
		fmt.Fprintln(p.stdout, "No dead letter matches.")
		return nil
	}
	question := fmt.Sprintf("%d dead %s and what %s would be deleted for good", len(letters), plural(len(letters), "letter", "letters"), plural(len(letters), "it holds", "they hold"))
	if err := p.confirm(c.Yes, question); err != nil {
		return err
	}
	for i := range letters {
		l := &letters[i]
		tag, err := pool.Exec(ctx, statement("discard_letter"), l.lane.String(), l.streamCreated, l.sequence, l.messageTime)
		if err != nil {
			return fmt.Errorf("discard %s: %w", l.id(), err)
		}
		if tag.RowsAffected() == 0 {
			fmt.Fprintf(p.stdout, "%-10s %s: somebody else has discarded it\n", "gone", l.id())
			continue
		}
		fmt.Fprintf(p.stdout, "%-10s %s (%s, %s, died %s)\n", "discarded", l.id(), line(handleOf(l.orgToken)), l.code, moment(l.died))
	}
	return nil
}
