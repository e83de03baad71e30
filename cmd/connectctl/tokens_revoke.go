package main

import (
	"context"
	"fmt"
	"strings"

	"connect-provider/cmd/internal/connection"
	"connect-provider/cmd/internal/program"
)

type tokenRevokeCommand struct {
	ID       []string            `arg:"" name:"id" help:"Ids of tokens, as listed."`
	Database connection.Database `embed:""`
	Log      program.Log         `embed:""`
}

func (c *tokenRevokeCommand) log() program.Log { return c.Log }

func (c *tokenRevokeCommand) problems(secrets *program.Secrets) []error {
	problems := c.Database.Resolve(secrets)
	for _, id := range c.ID {
		if strings.HasPrefix(id, tokenPrefix) {
			// what was pasted is a secret, and is not repeated
			secrets.Add(id)
			problems = append(problems, fmt.Errorf("that is a token and not its id: list the tokens to see their ids"))
		} else if len(id) < idDigits || len(id) > 64 || strings.Trim(id, "0123456789abcdef") != "" {
			problems = append(problems, fmt.Errorf("%q is no token's id: one has %d digits, as listed", id, idDigits))
		}
	}
	return problems
}

// run revokes the tokens one after another.
func (c *tokenRevokeCommand) run(ctx context.Context, p process) error {
	pool, err := openDatabase(ctx, &c.Database)
	if err != nil {
		return err
	}
	defer pool.Close()
	for _, id := range c.ID {
		found, err := findTokens(ctx, pool, "", id)
		switch {
		case err != nil:
			return err
		case len(found) == 0:
			return fmt.Errorf("there is no token %s", id)
		case len(found) > 1:
			return fmt.Errorf("%d tokens have ids that begin with %s: give more of the SHA-256", len(found), id)
		}
		if _, err := pool.Exec(ctx, statement("revoke_token"), found[0].sum); err != nil {
			return explainTokens(err)
		}
		fmt.Fprintf(p.stdout, "revoked %s of %s; gateways that have just used it take it for up to 30 seconds more\n", id, line(found[0].handle))
	}
	return nil
}
