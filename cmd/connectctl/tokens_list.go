package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"connect-provider/cmd/internal/connection"
	"connect-provider/cmd/internal/program"
	"connect-provider/messages"
)

type tokenListCommand struct {
	Org      string              `placeholder:"HANDLE" help:"Organization's domain handle (default all)."`
	JSON     bool                `name:"json" help:"Print one JSON array."`
	Database connection.Database `embed:""`
	Log      program.Log         `embed:""`
}

func (c *tokenListCommand) log() program.Log { return c.Log }

func (c *tokenListCommand) problems(secrets *program.Secrets) []error {
	problems := c.Database.Resolve(secrets)
	if c.Org != "" {
		if _, err := messages.OrganizationFromHandle(c.Org); err != nil {
			problems = append(problems, fmt.Errorf("--org: %w", err))
		}
	}
	return problems
}

// tokenDocument is a token in JSON.
type tokenDocument struct {
	ID        string    `json:"id"`
	OrgHandle string    `json:"org_handle"`
	Label     string    `json:"label"`
	CreatedAt time.Time `json:"created_at"`
}

func (c *tokenListCommand) run(ctx context.Context, p process) error {
	pool, err := openDatabase(ctx, &c.Database)
	if err != nil {
		return err
	}
	defer pool.Close()
	tokens, err := findTokens(ctx, pool, c.Org, "")
	if err != nil {
		return err
	}
	if c.JSON {
		documents := make([]tokenDocument, len(tokens))
		for i, t := range tokens {
			documents[i] = tokenDocument{t.id(), t.handle, t.label, t.created.UTC()}
		}
		return printJSON(p.stdout, documents)
	}
	if len(tokens) == 0 {
		fmt.Fprintln(p.stdout, "No token.")
		return nil
	}
	table := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tORGANIZATION\tCREATED\tLABEL")
	for _, t := range tokens {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", t.id(), line(t.handle), moment(t.created), line(t.label))
	}
	return table.Flush()
}
