package main

import (
	"context"
	"fmt"

	"connect-provider/cmd/internal/connection"
	"connect-provider/cmd/internal/program"
	"connect-provider/messages"
)

type tokenCreateCommand struct {
	Org      string              `required:"" placeholder:"HANDLE" help:"Organization's domain handle."`
	Label    string              `placeholder:"TEXT" help:"What it is for, for whoever lists tokens."`
	Database connection.Database `embed:""`
	Log      program.Log         `embed:""`
}

func (c *tokenCreateCommand) log() program.Log { return c.Log }

func (c *tokenCreateCommand) problems(secrets *program.Secrets) []error {
	problems := c.Database.Resolve(secrets)
	if _, err := messages.OrganizationFromHandle(c.Org); err != nil {
		problems = append(problems, fmt.Errorf("--org: %w", err))
	}
	return problems
}

// run prints the token and nothing else, so that it can be put into a variable
// or a file.
func (c *tokenCreateCommand) run(ctx context.Context, p process) error {
	pool, err := openDatabase(ctx, &c.Database)
	if err != nil {
		return err
	}
	defer pool.Close()
	secret := newToken()
	p.secrets.Add(secret)
	if err := createToken(ctx, pool, secret, c.Org, c.Label); err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, secret)
	return nil
}
