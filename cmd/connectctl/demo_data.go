package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"connect-provider/cmd/internal/connection"
	"connect-provider/cmd/internal/program"
	"connect-provider/deploy/demo"
	"connect-provider/deploy/migrations"
)

type demoDataCommand struct {
	Database connection.Database `embed:""`
	Log      program.Log         `embed:""`
}

func (c *demoDataCommand) log() program.Log { return c.Log }

func (c *demoDataCommand) problems(secrets *program.Secrets) []error {
	return c.Database.Resolve(secrets)
}

func (c *demoDataCommand) run(ctx context.Context, p process) error {
	conn, err := pgx.Connect(ctx, c.Database.SessionURL())
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing is left to lose
	if err := migrations.Check(ctx, conn); err != nil {
		return err
	}
	if err := demo.Load(ctx, conn); err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, "The demo organizations acme, globex and example.com are in the database.")
	return nil
}
